// `npm run bench`: measures the server from outside, on this machine, over loopback, and prints one table.
// `npm run bench -- ingest viewers` runs some of them; `--seconds 4 --rounds 1` makes a quick one. See README.md beside this file.
import { parseArgs } from 'node:util';
import { accept } from './accept.ts';
import { api } from './api.ts';
import { http } from './http.ts';
import { ingest } from './ingest.ts';
import { latency } from './latency.ts';
import { LOAD_CORE, pin } from './measure.ts';
import { memory } from './memory.ts';
import { play } from './play.ts';
import { push } from './push.ts';
import { start } from './start.ts';
import { stop } from './stop.ts';
import { type Bench, printTable, type Row } from './table.ts';
import { viewers } from './viewers.ts';
import { webhooks } from './webhooks.ts';

const BENCHES: Readonly<Record<string, Bench>> = {
  start,
  stop,
  accept,
  api,
  webhooks,
  http,
  ingest,
  memory,
  viewers,
  play,
  push,
  latency,
};

const { values, positionals } = parseArgs({
  args: process.argv.slice(2),
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '10' }, rounds: { type: 'string', default: '3' } },
});
const effort = {
  seconds: Math.min(60, Math.max(1, Number(values.seconds) || 10)),
  rounds: Math.min(10, Math.max(1, Number(values.rounds) || 3)),
};
const names = positionals.length > 0 ? positionals : Object.keys(BENCHES);
const unknown = names.filter((name) => !BENCHES[name]);
if (unknown.length > 0) {
  console.error(`No bench ${unknown.join(', ')}. There are: ${Object.keys(BENCHES).join(' ')}`);
  process.exit(2);
}

/** No bench holds up the others for ever; what it has started ends with this process. */
const limit = () =>
  new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error('took longer than 15 minutes')), 15 * 60_000).unref();
  });

const rows: Row[] = [];
for (const name of names) {
  console.error(`${name} …`);
  pin(process.pid, LOAD_CORE);
  const started = performance.now();
  try {
    rows.push(...(await Promise.race([BENCHES[name]!(effort), limit()])));
  } catch (error) {
    rows.push({ what: name, measured: `did not run: ${(error as Error).message.split('\n')[0]}`, met: false });
    console.error(error);
  }
  console.error(`${name}: ${((performance.now() - started) / 1000).toFixed(0)} s`);
}
console.log(`\nNode ${process.version}, windows of ${effort.seconds} s, ${effort.rounds} rounds\n`);
printTable(rows);
process.exit(rows.some((row) => row.met === false) ? 1 : 0);
