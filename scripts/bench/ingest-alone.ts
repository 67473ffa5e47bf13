// Ingest with no reader: the server's own RTMP rooms and its registry, wired as src/app.ts wires them, without a packager.
// Sends the port that it listens on.
import { createLogger } from '../../src/base/index.ts';
import { RtmpServer } from '../../src/ingest/rtmp/index.ts';
import { LiveRegistry } from '../../src/live/index.ts';

const log = createLogger('warn');
const registry = new LiveRegistry({ reconnectWindowMs: 0, takeoverAfterMs: 5000, log, onBroadcast: () => {} });
const server = new RtmpServer({
  host: '127.0.0.1',
  port: 0,
  publisherTimeoutMs: 15_000,
  maxConnections: 1000,
  maxConnectionsPerAddress: 1000,
  failuresPerMinute: 10,
  registry,
  log,
  authoriser: {
    authorise: async ({ playbackId }) => ({
      ok: true,
      authorisation: { liveStreamId: playbackId, playbackId, userId: 'bench', discontinuities: 0 },
    }),
  },
});
await server.start();
process.send!(server.port);
process.on('disconnect', () => process.exit());
