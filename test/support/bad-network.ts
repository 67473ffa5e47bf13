import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** A network between a client and a server, which can be made bad and good again. */
export class BadNetwork {
  /** Nothing gets through, and what is open breaks. */
  #down = false;
  /** Each way. */
  delayMs = 0;
  /** Of all connections together, towards the client. */
  bytesPerS = Number.POSITIVE_INFINITY;
  #freeAtMs = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #port = 0;

  /** To a port of this machine, which may be known later. */
  constructor() {
    this.#server = createServer((client) => this.#join(client));
  }

  async listen(): Promise<number> {
    await once(this.#server.listen(0, '127.0.0.1'), 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  leadTo(port: number): void {
    this.#port = port;
  }

  set down(down: boolean) {
    this.#down = down;
    if (down) for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.down = true;
    this.#server.close();
  }

  #join(client: Socket): void {
    if (this.#down) {
      client.destroy();
      return;
    }
    const server = connect(this.#port, '127.0.0.1');
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    void this.#carry(client, server, false);
    void this.#carry(server, client, true);
  }

  /** Bytes in their order, each chunk later by the delay; not before there is room for it. */
  async #carry(from: Socket, to: Socket, slow: boolean): Promise<void> {
    let last = Promise.resolve();
    try {
      for await (const chunk of from as AsyncIterable<Buffer>) {
        const now = performance.now();
        let atMs = now + this.delayMs;
        if (slow && this.bytesPerS < Number.POSITIVE_INFINITY) {
          this.#freeAtMs = Math.max(this.#freeAtMs, now) + (chunk.length / this.bytesPerS) * 1000;
          atMs += this.#freeAtMs - now;
          // As a full buffer of a router does: no more is taken than goes out.
          await delay(this.#freeAtMs - now);
        }
        const before = last;
        last = delay(Math.max(0, atMs - performance.now()))
          .then(() => before)
          .then(() => void to.write(chunk));
      }
      await last;
      to.end();
    } catch {
      to.destroy();
    }
  }
}
