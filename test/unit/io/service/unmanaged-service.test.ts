import { expect, test } from 'vitest';
import { createUnmanagedService } from '../../../../src/io/service/create-service.ts';

test('an unmanaged service neither starts, nor stops, nor says whether it runs', async () => {
  const service = createUnmanagedService();
  for (const attempt of [() => service.start(), () => service.stop(), () => service.isRunning()]) {
    await expect(attempt()).rejects.toMatchObject({ code: 'service-unmanaged' });
  }
});
