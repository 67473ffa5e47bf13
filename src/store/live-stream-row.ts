import type { Insertable, Selectable } from 'kysely';
import type { SecretBox } from '../base/index.ts';
import type { Environment, Settings } from '../contract/index.ts';
import type { PlatformRow } from './platform-row.ts';
import type { LiveStreamsTable } from './schema.ts';

/** What a caller may see at all. A live stream outside it does not exist for the caller. */
export interface Scope {
  readonly organizationId: string;
  readonly environment: Environment;
}

/** Sub-second streams are live streams with resource paths of their own. */
export type StreamKind = 'live' | 'sub_second';

export interface LiveStreamRow extends Scope {
  readonly id: string;
  readonly kind: StreamKind;
  readonly userId: string;
  readonly playbackId: string;
  readonly password: string;
  /** Of the backup encoder's key; null in a row of an older version, until the next start. */
  readonly backupPassword: string | null;
  readonly name: string;
  readonly enabled: boolean;
  readonly settings: Settings;
  /** Oldest first. */
  readonly platforms: readonly PlatformRow[];
  readonly createdMs: number;
}

/** What the SecretBox binds a live stream's secrets to. */
export const passwordPurpose = (id: string): string => `live_stream.password:${id}`;
export const previousPasswordPurpose = (id: string): string => `live_stream.previous_password:${id}`;
export const backupPasswordPurpose = (id: string): string => `live_stream.backup_password:${id}`;
export const settingsPurpose = (id: string): string => `live_stream.settings:${id}`;

/** What an authorisation says of going back. -1 is off, and so is nothing. */
export const rewindOf = ({ varying_rewind: rewindS = -1 }: Settings): { readonly rewindS?: number } =>
  rewindS > 0 ? { rewindS } : {};

/** The row as it is inserted; its secrets sealed. */
export function toColumns(row: LiveStreamRow, secrets: SecretBox): Insertable<LiveStreamsTable> {
  return {
    id: row.id,
    organization_id: row.organizationId,
    environment: row.environment,
    user_id: row.userId,
    kind: row.kind,
    playback_id: row.playbackId,
    password: secrets.seal(row.password, passwordPurpose(row.id)),
    backup_password: row.backupPassword && secrets.seal(row.backupPassword, backupPasswordPurpose(row.id)),
    name: row.name,
    enabled: row.enabled ? 1 : 0,
    ...settingsColumns(row, secrets),
    created_ms: row.createdMs,
  };
}

/** The columns that hold the settings. */
export const settingsColumns = ({ id, settings }: Pick<LiveStreamRow, 'id' | 'settings'>, secrets: SecretBox) => ({
  settings: secrets.seal(JSON.stringify(settings), settingsPurpose(id)),
  low_latency_playback: settings.low_latency_playback ? (1 as const) : (0 as const),
  pull_enabled: settings.pulling_mode?.enabled ? (1 as const) : (0 as const),
});

/** Secrets are opened when they are read: most who ask show none. Reading one may throw CodedError secret_unreadable. */
export function fromColumns(
  row: Selectable<LiveStreamsTable>,
  secrets: SecretBox,
  platforms: readonly PlatformRow[],
): LiveStreamRow {
  return {
    id: row.id,
    organizationId: row.organization_id,
    environment: row.environment,
    kind: row.kind,
    userId: row.user_id,
    playbackId: row.playback_id,
    get password() {
      return secrets.open(row.password, passwordPurpose(row.id));
    },
    get backupPassword() {
      return row.backup_password && secrets.open(row.backup_password, backupPasswordPurpose(row.id));
    },
    name: row.name,
    enabled: row.enabled === 1,
    get settings() {
      return JSON.parse(secrets.open(row.settings, settingsPurpose(row.id)));
    },
    platforms,
    createdMs: row.created_ms,
  };
}
