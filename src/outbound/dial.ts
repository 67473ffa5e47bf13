import net from 'node:net';
import tls from 'node:tls';

/** One connection to make. Everything in it has passed the guard. */
export interface Dial {
  /** What the URL named: for SNI and the certificate. */
  readonly host: string;
  /** The checked addresses; no others may be connected to. */
  readonly addresses: readonly string[];
  readonly port: number;
  readonly tls: boolean;
}

/** Makes the connection, or rejects. The socket is ready to write. */
export type Connect = (dial: Dial) => Promise<net.Socket>;

/** For the TCP connection and the TLS handshake together. */
export const CONNECT_MS = 5000;

/** Connects to the first of the addresses that answers (RFC 8305), with TLS and the host's certificate where wanted. */
export const dial: Connect = ({ host, addresses, port, tls: secure }) =>
  new Promise((resolve, reject) => {
    const options: net.TcpNetConnectOpts = {
      // The name only where its addresses come from `lookup`; an address is dialled as it is.
      host: net.isIP(host) ? addresses[0]! : host,
      port,
      noDelay: true,
      autoSelectFamily: true,
      lookup: (_name, _options, done) =>
        done(
          null,
          addresses.map((address) => ({ address, family: net.isIP(address) })),
        ),
    };
    const socket = secure
      ? tls.connect({ ...options, servername: net.isIP(host) ? '' : host, minVersion: 'TLSv1.2' })
      : net.connect(options);
    const timer = setTimeout(() => socket.destroy(new Error('connecting took too long')), CONNECT_MS);
    socket.once('error', reject).once(secure ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer);
      socket.off('error', reject);
      resolve(socket);
    });
    socket.once('close', () => clearTimeout(timer));
  });
