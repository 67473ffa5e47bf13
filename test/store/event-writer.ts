// A process that changes live streams, and delivers what that writes, as fast as it can. Prints a line for each change that the store
// has acknowledged: the live stream's id and how many changes it has had.
import { createLogger } from '../../src/base/index.ts';
import { openStore } from '../../src/store/index.ts';

const [dataDir, token, databaseUrl] = process.argv.slice(2) as [string, string, string?];
const store = await openStore({ dataDir, ...(databaseUrl && { databaseUrl }), log: createLogger('silent') });
await store.recover();
await store.bootstrap({ token });
const [id, secret] = token.split(':') as [string, string];
const me = (await store.verifyToken(id, secret))!;
if ((await store.webhookEndpoints.list(me, { page: 1, limit: 1 })).total === 0)
  await store.webhookEndpoints.create(me, { url: 'https://hooks.example.test/' });
for (let lane = 0; lane < 4; lane++) {
  (async () => {
    for (;;) {
      const row = await store.liveStreams.create(me, { name: `lane ${lane}` });
      process.stdout.write(`${row.id} 1\n`);
      await store.liveStreams.update(me, row.id, { enabled: false });
      process.stdout.write(`${row.id} 2\n`);
    }
  })();
}
for (;;) {
  for (const { id } of await store.deliveries.claim({ limit: 16, perEndpoint: 8, leaseMs: 60_000 })) {
    const attempt = { startedMs: Date.now(), durationMs: 1, status: 200, error: null, responseBody: '' };
    await store.deliveries.finish(id, { ...attempt, requestHeaders: {} }, { kind: 'delivered' });
  }
  await new Promise(setImmediate);
}
