// Loaded by scripts/test.ts into the process of each test file: at its end it tells what it and all that it saw the end of have
// computed, in seconds (of Chromium that is a part only). Linux only; elsewhere nothing is told.
import { readFileSync, writeFileSync } from 'node:fs';

const { LIVEAPI_CPU_FILE } = process.env;
delete process.env.LIVEAPI_CPU_FILE;
process.on('exit', () => {
  try {
    // After the name: state is field 3, so utime, stime, cutime and cstime are 14 to 17; in ticks of 10 ms.
    const fields = readFileSync('/proc/self/stat', 'utf8').split(') ').at(-1).split(' ');
    const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
    writeFileSync(LIVEAPI_CPU_FILE, String(ticks / 100));
  } catch {}
});
