import net from 'node:net';

/**
 * Reads of all plain sockets go through this one buffer: one allocation for the process instead of one for each read.
 * Whoever receives a slice must have copied what it keeps when it returns.
 */
const shared = Buffer.allocUnsafeSlow(64 * 1024);

interface WithHandle {
  _handle?: unknown;
}

/**
 * The socket to use for an accepted connection (of a server with `pauseOnConnect`), with its bytes going to `onBytes`.
 * Node offers the reused read buffer (`onread`) to sockets made by hand only, so the accepted one hands over its handle;
 * where that is not possible the bytes come as ordinary 'data' events.
 */
export function readInto(accepted: net.Socket, onBytes: (bytes: Buffer) => void): net.Socket {
  const holder = accepted as WithHandle;
  const handle = holder._handle;
  if (!handle) {
    accepted.on('data', onBytes);
    accepted.resume();
    return accepted;
  }
  holder._handle = null;
  accepted.destroy();
  const socket = new net.Socket({
    handle,
    onread: {
      buffer: shared,
      callback: (length: number, buffer: Uint8Array) => {
        onBytes((buffer as Buffer).subarray(0, length));
        return true;
      },
    },
  } as unknown as net.SocketConstructorOpts);
  socket.resume();
  return socket;
}
