import { type Command, InvalidArgumentError } from 'commander';
import type { KeyRotation, LiveStream, LiveStreamChange } from '../contract/index.ts';
import { apiGroup, count, limitOption, take, withClient } from './api-options.ts';
import { type Column, printDone, printObject, printTable } from './output.ts';
import { addPlatformCommands } from './platforms.ts';
import { addPull } from './streams-pull.ts';

const COLUMNS: readonly Column<LiveStream>[] = [
  ['ID', ({ _id }) => _id],
  ['NAME', ({ name }) => name],
  ['STATUS', ({ enabled, broadcasting_status }) => (enabled ? broadcasting_status : 'disabled')],
  ['PLATFORMS', ({ platforms }) => platforms.length],
  ['CREATED', ({ creation_time }) => creation_time],
];

interface StreamOptions {
  readonly name?: string;
  readonly disabled?: true;
  readonly set?: Record<string, unknown>;
}

/** `liveapi streams …`: live streams and their platforms. */
export function addStreams(program: Command): void {
  const streams = apiGroup(program, 'streams', 'Live streams: what encoders publish to.', [
    'streams create --name "Harbour cam"',
    'streams list --json | jq -r ".[]._id"',
    'streams update 64b1f0a2c3d4e5f601234567 --name Pier --set low_latency_playback=true',
    'streams disable 64b1f0a2c3d4e5f601234567      # the encoder is cut at once',
    'streams pull set 64b1f0a2c3d4e5f601234567 --from https://origin.example.net/live/index.m3u8 --start on_demand',
    'streams rotate-key 64b1f0a2c3d4e5f601234567 --overlap 3600',
  ]);

  streams
    .command('list')
    .description('List live streams, newest first.')
    .option(...limitOption)
    .action(
      withClient<{ limit: number }, []>(async ({ client, options }) =>
        printTable(await take(client.liveStreams.all(), options.limit), COLUMNS, options),
      ),
    );

  streams
    .command('create')
    .description('Create a live stream; its key and addresses are shown.')
    .option('--name <name>')
    .option('--disabled', 'nobody can publish to it yet')
    .option('--set <setting=value>', 'a setting; may be given more than once', addSetting)
    .action(
      withClient<StreamOptions, []>(async ({ client, options }) =>
        printObject(await client.liveStreams.create(changeOf(options)), options),
      ),
    );

  streams
    .command('get <id>')
    .description('Show a live stream with its key and addresses.')
    .action(
      withClient<object, [string]>(async ({ client, options }, id) =>
        printObject(await client.liveStreams.get(id), options),
      ),
    );

  streams
    .command('update <id>')
    .description('Change name and settings.')
    .option('--name <name>')
    .option('--set <setting=value>', 'a setting; may be given more than once', addSetting)
    .action(
      withClient<StreamOptions, [string]>(async ({ client, options }, id) =>
        printObject(await client.liveStreams.update(id, changeOf(options)), options),
      ),
    );

  for (const enabled of [true, false]) {
    const name = enabled ? 'enable' : 'disable';
    streams
      .command(`${name} <id>`)
      .description(enabled ? 'Let encoders publish again.' : 'Cut the encoder at once and let none publish.')
      .action(
        withClient<object, [string]>(async ({ client, options }, id) => {
          const stream = await client.liveStreams.update(id, { enabled });
          printDone(`${stream.name} (${stream._id}) is ${name}d.`, stream, options);
        }),
      );
  }

  streams
    .command('delete <id>')
    .description('Delete a live stream; its encoder is cut at once.')
    .action(
      withClient<object, [string]>(async ({ client, options }, id) =>
        printDone(`${id} is deleted.`, await client.liveStreams.delete(id), options),
      ),
    );

  streams
    .command('rotate-key <id>')
    .description('Give the key a new password; the addresses stay.')
    .option('--overlap <seconds>', 'how long the old one goes on to work; 0 cuts the encoder', count, 0)
    .option('--backup', "of the backup encoder's key")
    .action(
      withClient<{ overlap: number; backup?: true }, [string]>(async ({ client, options }, id) => {
        const which: KeyRotation['which'] = options.backup ? 'backup' : 'primary';
        printObject(await client.liveStreams.rotateKey(id, { overlap_s: options.overlap, which }), options);
      }),
    );

  streams
    .command('stats <id>')
    .description('Show what the running broadcast measures, and advice for its encoder.')
    .action(
      withClient<object, [string]>(async ({ client, options }, id) =>
        printObject(await client.liveStreams.stats(id), options),
      ),
    );

  streams
    .command('broadcasts <id>')
    .description('List the times on air, newest first.')
    .action(
      withClient<object, [string]>(async ({ client, options }, id) => {
        const { docs } = await client.liveStreams.broadcasts(id, { limit: 100 });
        printTable(
          docs,
          [
            ['ID', ({ _id }) => _id],
            ['STARTED', ({ started_at }) => started_at],
            ['ENDED', ({ ended_at }) => ended_at ?? 'on air'],
            ['REASON', ({ reason }) => reason],
            ['ENCODER', ({ protocol, address }) => `${protocol} ${address}`],
          ],
          options,
        );
      }),
    );

  addPlatformCommands(streams.command('platforms').description('Where else a live stream is pushed to.'));
  addPull(streams);
}

const changeOf = ({ name, disabled, set }: StreamOptions): LiveStreamChange => ({
  name,
  enabled: disabled && false,
  settings: set,
});

/** `abr=true`, `varying_rewind=3600`, `domain_whitelist=["example.com"]`: JSON where it is JSON, else a text. */
function addSetting(value: string, before: Record<string, unknown> = {}): Record<string, unknown> {
  const [, key, given] = /^(\w+)=(.*)$/s.exec(value) ?? [];
  if (key === undefined || given === undefined)
    throw new InvalidArgumentError('Write setting=value, for example abr=true.');
  try {
    return { ...before, [key]: JSON.parse(given) };
  } catch {
    return { ...before, [key]: given };
  }
}
