import type { Insertable, Selectable } from 'kysely';
import type { SecretBox } from '../base/index.ts';
import { type Codec, isMasked, maskServer, type Platform } from '../contract/index.ts';
import type { PlatformsTable } from './schema.ts';

export interface PlatformRow {
  readonly id: string;
  readonly liveStreamId: string;
  readonly template: string;
  readonly name: string;
  readonly enabled: boolean;
  /** May hold the key. */
  readonly server: string;
  readonly key: string;
  readonly audio: Platform['audio'];
  readonly delayS: number;
  /** Null: what every service takes. */
  readonly codecs: readonly Codec[] | null;
  readonly metadata: Platform['metadata'] | null;
  readonly createdMs: number;
}

const keyPurpose = (id: string): string => `platform.key:${id}`;
const serverPurpose = (id: string): string => `platform.secret_server:${id}`;

/** The row as it is inserted; its key sealed, and its server where that holds one. */
export function toPlatformColumns(row: PlatformRow, secrets: SecretBox): Insertable<PlatformsTable> {
  return {
    id: row.id,
    live_stream_id: row.liveStreamId,
    template: row.template,
    name: row.name,
    enabled: row.enabled ? 1 : 0,
    ...serverColumns(row, secrets),
    key: secrets.seal(row.key, keyPurpose(row.id)),
    audio: row.audio,
    delay_s: row.delayS,
    codecs: row.codecs && JSON.stringify(row.codecs),
    metadata: row.metadata ? JSON.stringify(row.metadata) : null,
    created_ms: row.createdMs,
  };
}

/** The columns that hold the server. */
export function serverColumns({ id, server, key }: Pick<PlatformRow, 'id' | 'server' | 'key'>, secrets: SecretBox) {
  const shown = maskServer(server, key);
  return { server: shown, secret_server: shown === server ? null : secrets.seal(server, serverPurpose(id)) };
}

/** Secrets are opened when they are read: not all who ask show them. That may throw CodedError secret_unreadable. */
export function fromPlatformColumns(row: Selectable<PlatformsTable>, secrets: SecretBox): PlatformRow {
  return {
    id: row.id,
    liveStreamId: row.live_stream_id,
    template: row.template,
    name: row.name,
    enabled: row.enabled === 1,
    // One that is not masked was written by an older version, after the sealed one.
    get server() {
      const { secret_server: sealed, server } = row;
      return sealed && isMasked(server) ? secrets.open(sealed, serverPurpose(row.id)) : server;
    },
    get key() {
      return secrets.open(row.key, keyPurpose(row.id));
    },
    audio: row.audio,
    delayS: row.delay_s,
    codecs: row.codecs === null ? null : JSON.parse(row.codecs),
    metadata: row.metadata === null ? null : JSON.parse(row.metadata),
    createdMs: row.created_ms,
  };
}
