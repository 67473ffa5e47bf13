import { type Command, InvalidArgumentError } from 'commander';
import type { Platform, PlatformChange } from '../contract/index.ts';
import { apiGroup, count, secretValue, withClient } from './api-options.ts';
import { type Column, printDone, printObject, printTable } from './output.ts';

const COLUMNS: readonly Column<Platform>[] = [
  ['ID', ({ _id }) => _id],
  ['NAME', ({ name }) => name],
  ['SERVER', ({ server }) => server],
  ['KEY', ({ key }) => key],
  ['STATE', stateOf],
  ['SINCE', ({ status }) => status?.since],
  ['KBIT/S', ({ status }) => status?.bitrate],
  ['ERROR', ({ status }) => (status?.state === 'online' ? null : status?.last_error?.message)],
];

/** In one word, and when it is tried again. */
function stateOf({ enabled, status }: Platform): string {
  if (!enabled) return 'paused';
  if (!status) return 'offline';
  return status.next_retry ? `${status.state}, again at ${status.next_retry}` : status.state;
}

interface PlatformOptions {
  readonly server?: string;
  readonly key?: string;
  readonly name?: string;
  readonly template?: string;
  readonly enable?: boolean;
  readonly audio?: Platform['audio'];
  readonly delay?: number;
  readonly codecs?: Platform['codecs'];
}

/** `liveapi platforms …`: where else a live stream is pushed to. */
export function addPlatforms(program: Command): void {
  const platforms = apiGroup(program, 'platforms', 'Platforms: where else a live stream is pushed to.', [
    'platforms templates',
    'platforms add 64b1f0a2c3d4e5f601234567 --template youtube --key - < key.txt',
    'platforms list 64b1f0a2c3d4e5f601234567',
    'platforms update 64b1f0a2c3d4e5f601234567 64b1f0a2c3d4e5f60123aaaa --no-enable   # pauses this one',
    'platforms restart 64b1f0a2c3d4e5f601234567 64b1f0a2c3d4e5f60123aaaa',
  ]);
  addPlatformCommands(platforms);
}

/** The commands themselves: also to be had as `liveapi streams platforms …`. */
export function addPlatformCommands(platforms: Command): void {
  platforms
    .command('list <stream>')
    .description('List the platforms of a live stream, and how the push to each fares.')
    .action(
      withClient<object, [string]>(async ({ client, options }, stream) => {
        const { platforms } = await client.liveStreams.get(stream);
        printTable(platforms, COLUMNS, options);
      }),
    );

  withDelivery(
    platforms
      .command('add <stream>')
      .description('Add a platform.')
      .option('--server <url>', 'an rtmp:// or rtmps:// address; most templates bring one')
      .requiredOption('--key <key>', 'the stream key there; - reads it from standard input', secretValue)
      .option('--name <name>')
      .option('--template <name>', 'custom, or one of `platforms templates`', 'custom'),
  ).action(
    withClient<PlatformOptions, [string]>(async ({ client, options }, stream) => {
      const { template } = options;
      printObject(await client.platforms.create(stream, { ...changeOf(options), template }), options);
    }),
  );

  withDelivery(
    platforms
      .command('update <stream> <platform>')
      .description('Change a platform; works while live.')
      .option('--server <url>')
      .option('--key <key>', 'the stream key there; - reads it from standard input', secretValue)
      .option('--name <name>')
      .option('--enable', 'push to it')
      .option('--no-enable', 'pause it'),
  ).action(
    withClient<PlatformOptions, [string, string]>(async ({ client, options }, stream, id) =>
      printObject(await client.platforms.update(stream, id, changeOf(options)), options),
    ),
  );

  platforms
    .command('remove <stream> <platform>')
    .description('Remove a platform.')
    .action(
      withClient<object, [string, string]>(async ({ client, options }, stream, id) =>
        printDone(`${id} is removed.`, await client.platforms.delete(stream, id), options),
      ),
    );

  platforms
    .command('restart <stream> <platform>')
    .description('Connect to a platform anew, at once.')
    .action(
      withClient<object, [string, string]>(async ({ client, options }, stream, id) =>
        printDone(`${id} is being connected anew.`, await client.platforms.restart(stream, id), options),
      ),
    );

  platforms
    .command('templates')
    .description('List the services that are known.')
    .action(
      withClient<object, []>(async ({ client, options }) => {
        const { docs } = await client.platforms.templates();
        printTable(
          docs,
          [
            ['TEMPLATE', ({ template }) => template],
            ['NAME', ({ name }) => name],
            ['SERVER', ({ servers }) => servers[0] ?? 'give --server'],
            ['CODECS', ({ codecs }) => codecs.join(',')],
            ['KBIT/S', ({ max_bitrate }) => max_bitrate],
            ['KEY', ({ key_help }) => key_help],
          ],
          options,
        );
      }),
    );
}

function withDelivery(command: Command): Command {
  return command
    .option('--audio <how>', 'keep, mute, or silence instead of the sound', audioOf)
    .option('--delay <seconds>', 'send it so much later, 0 to 60', count)
    .option('--codecs <names>', 'what the service takes, separated by commas', (names) => names.split(','));
}

function changeOf({
  server,
  key,
  name,
  enable: enabled,
  audio,
  delay: delay_s,
  codecs,
}: PlatformOptions): PlatformChange {
  return { server, key, name, enabled, audio, delay_s, codecs };
}

function audioOf(value: string): Platform['audio'] {
  if (value === 'keep' || value === 'mute' || value === 'silence') return value;
  throw new InvalidArgumentError('It is keep, mute or silence.');
}
