/** Imported before a program, prints the address of everything that it loads. */
import { registerHooks } from 'node:module';

registerHooks({
  load: (url, context, nextLoad) => {
    process.stderr.write(`${url}\n`);
    return nextLoad(url, context);
  },
});
