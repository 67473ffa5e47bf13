import { createStreams, startBenchServer } from './bench-server.ts';
import { loadClip } from './clip.ts';
import { residentBytes } from './measure.ts';
import { pause, Publisher } from './publisher.ts';
const clip = await loadClip('1280x720', 2500);
const server = await startBenchServer({ LIVEAPI_LIVE_WINDOW_S: '6', LIVEAPI_RECONNECT_WINDOW_S: '0', NODE_OPTIONS: '--heapsnapshot-signal=SIGUSR2 --diagnostic-dir=/tmp/g' });
const streams = await createStreams(server, 4);
const churn = (count: number) => Promise.all(streams.map(async ({ ingest }) => {
  for (let i = 0; i < count / 4; i++) {
    const publisher = new Publisher({ port: server.rtmpPort, key: ingest.key }, clip);
    await publisher.accepted; await publisher.sendUpTo(2000); publisher.close(); await publisher.closed;
  }}));
const mb = () => (residentBytes(server.pid) / 1e6).toFixed(0);
console.log('start', mb());
for (let k = 0; k < 4; k++) { await churn(200); const a = mb(); await pause(20000); const b = mb(); await pause(50000); console.log(k, a, b, mb()); }
process.kill(server.pid, 'SIGUSR2'); await pause(8000); console.log('after gc', mb()); await pause(2000); 
await churn(20); await pause(1000); process.kill(server.pid, 'SIGUSR2'); await pause(8000); console.log('after gc', mb());
await server.close();
