// The floor for the API: fastify that answers every request with the same object of about 700 bytes, and does nothing else.
import type { AddressInfo } from 'node:net';
import { fastify } from 'fastify';

const answer = { name: 'x'.repeat(680) };
const app = fastify();
app.get('/', async () => answer);
await app.listen({ host: '127.0.0.1', port: 0 });
process.send!((app.server.address() as AddressInfo).port);
process.on('disconnect', () => process.exit());
