import { expect, test } from 'vitest';
import { parseCron } from '../../../../src/core/schedule/cron.ts';

const ALL_DAYS = Array.from({ length: 31 }, (_none, index) => index + 1);

test.each([
  ['0 */6 * * *', { minutes: [0], hours: [0, 6, 12, 18], days: ALL_DAYS }],
  ['0 3 * * 0', { hours: [3], weekdays: [0] }],
  ['5,1-3,50/5 * 31 JAN-mar,12 *', { minutes: [1, 2, 3, 5, 50, 55], days: [31], months: [1, 2, 3, 12] }],
  ['  0 9-17/4 * * Mon-FRI ', { hours: [9, 13, 17], weekdays: [1, 2, 3, 4, 5] }],
])('reads %s', (text, cron) => {
  expect(parseCron(text)).toMatchObject({ cron });
});

test.each([
  ['0 3 * *', /^must have five fields/],
  ['@daily', /^must have five fields/],
  ['60 3 * * *', /^has the minute "60", which must be made of numbers from 0 to 59, as 1, 1-3/],
  ['0 24 * * *', /^has the hour "24"/],
  ['0 3 0 * *', /^has the day of the month "0"/],
  ['0 3 * 13 *', /^has the month "13"/],
  ['0 3 * * 7', /^has the day of the week "7", which must be made of numbers from 0 to 6 or SUN to SAT/],
  ['0 5-3 * * *', /^has the hour "5-3"/],
  ['*/0 * * * *', /^has the minute "\*\/0"/],
  ['0, * * * *', /^has the minute "0,"/],
  ['*-5 * * * *', /^has the minute/],
  ['0 3 1 * 1', /^names days of the month and days of the week/],
  ['0 3 30 2 *', /^names a day that none of its months has/],
])('says what is wrong with %s', (text, fault) => {
  expect(parseCron(text)).toEqual({ fault: expect.stringMatching(fault) as string });
});
