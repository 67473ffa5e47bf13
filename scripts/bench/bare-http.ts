// The floor for playback: node:http that answers every request with the same bytes from one Buffer, of the length in argv.
import http from 'node:http';
import type { AddressInfo } from 'node:net';

const body = Buffer.alloc(Number(process.argv[2]), 120);
const server = http.createServer((_request, response) => {
  response.writeHead(200, { 'Content-Type': 'video/mp4', 'Content-Length': body.length });
  response.end(body);
});
server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port));
process.on('disconnect', () => process.exit());
