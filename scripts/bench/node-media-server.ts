// Node-Media-Server with RTMP alone, on the port of the first argument and with its data in the folder of the second. Sends the port.
import { createRequire } from 'node:module';

interface Nms {
  run(): Promise<void>;
}
const NodeMediaServer = createRequire(import.meta.url)('node-media-server') as new (config: object) => Nms;
const [port, folder] = [Number(process.argv[2]), process.argv[3]!];
// What it logs of each connection is not what is measured.
console.log = () => {};
const server = new NodeMediaServer({
  bind: '127.0.0.1',
  rtmp: { port },
  auth: { play: false, publish: false },
  store: { path: folder },
});
await server.run();
process.send!(port);
process.on('disconnect', () => process.exit());
