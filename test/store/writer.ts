// A process that creates live streams as fast as it can and prints the id of each one that the store has acknowledged.
import { createLogger } from '../../src/base/index.ts';
import { openStore } from '../../src/store/index.ts';

const [dataDir, token, url] = process.argv.slice(2) as [string, string, string];
const store = await openStore({ dataDir, databaseUrl: url || undefined, log: createLogger('silent') });
await store.bootstrap({ token });
const [id, secret] = token.split(':') as [string, string];
const principal = (await store.verifyToken(id, secret))!;
for (let lane = 0; lane < 8; lane++) {
  (async () => {
    for (;;) {
      const row = await store.liveStreams.create(principal, { name: `lane ${lane}` });
      process.stdout.write(`${row.id}\n`);
      if (Number.parseInt(row.id.slice(-1), 16) < 2)
        await store.liveStreams.update(principal, row.id, { enabled: false });
    }
  })();
}
