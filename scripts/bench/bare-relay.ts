// The floor of serving players: whatever comes from one connection is written to all others as it is, at once or gathered for as
// many milliseconds as the first argument says. Sends the port that it listens on.
import net from 'node:net';

const mergeMs = Number(process.argv[2] ?? 0);
const players = new Set<net.Socket>();
let gathered: Buffer[] = [];

const server = net.createServer({ noDelay: true }, (socket) => {
  players.add(socket);
  socket.on('error', () => {});
  socket.on('close', () => players.delete(socket));
  socket.on('data', (bytes) => {
    // Who sends is no player.
    players.delete(socket);
    if (mergeMs > 0) gathered.push(bytes);
    else for (const player of players) player.write(bytes);
  });
});
if (mergeMs > 0)
  setInterval(() => {
    if (gathered.length === 0) return;
    const bytes = Buffer.concat(gathered);
    gathered = [];
    for (const player of players) player.write(bytes);
  }, mergeMs);
server.listen(0, '127.0.0.1', () => process.send!((server.address() as net.AddressInfo).port));
process.on('disconnect', () => process.exit());
