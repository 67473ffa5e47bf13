import type { Insertable, Selectable } from 'kysely';
import type { SecretBox } from '../base/index.ts';
import type { Platform } from '../contract/index.ts';
import type { PlatformsTable } from './schema.ts';

export interface PlatformRow {
  readonly id: string;
  readonly liveStreamId: string;
  readonly template: string;
  readonly name: string;
  readonly enabled: boolean;
  readonly server: string;
  readonly key: string;
  readonly metadata: Platform['metadata'] | null;
  readonly createdMs: number;
}

const keyPurpose = (id: string): string => `platform.key:${id}`;

/** The row as it is inserted; its key sealed. */
export function toPlatformColumns(row: PlatformRow, secrets: SecretBox): Insertable<PlatformsTable> {
  return {
    id: row.id,
    live_stream_id: row.liveStreamId,
    template: row.template,
    name: row.name,
    enabled: row.enabled ? 1 : 0,
    server: row.server,
    key: secrets.seal(row.key, keyPurpose(row.id)),
    metadata: row.metadata ? JSON.stringify(row.metadata) : null,
    created_ms: row.createdMs,
  };
}

/** The key is opened when it is read: most who ask do not show it. That may throw CodedError secret_unreadable. */
export function fromPlatformColumns(row: Selectable<PlatformsTable>, secrets: SecretBox): PlatformRow {
  return {
    id: row.id,
    liveStreamId: row.live_stream_id,
    template: row.template,
    name: row.name,
    enabled: row.enabled === 1,
    server: row.server,
    get key() {
      return secrets.open(row.key, keyPurpose(row.id));
    },
    metadata: row.metadata === null ? null : JSON.parse(row.metadata),
    createdMs: row.created_ms,
  };
}
