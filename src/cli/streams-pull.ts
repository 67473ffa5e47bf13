import { type Command, InvalidArgumentError } from 'commander';
import type { LiveStream, PullingMode } from '../contract/index.ts';
import { type Context, count, secretValue, withClient } from './api-options.ts';
import { printDone, printObject } from './output.ts';

interface PullOptions {
  readonly from: string[];
  readonly start?: PullingMode['start'];
  readonly stopAfterIdle?: number;
  readonly encoder?: PullingMode['encoder'];
  readonly schedule?: NonNullable<PullingMode['schedule']>;
}

/** `liveapi streams pull …`: live streams that are fed from a URL instead of an encoder. */
export function addPull(streams: Command): void {
  const pull = streams.command('pull').description('Feed a live stream from a URL instead of an encoder.');

  pull
    .command('set <stream>')
    .description('Pull it from these URLs, from now on.')
    .requiredOption(
      '--from <url>',
      'where from; more than once: the next ones are tried when the first gives nothing; - reads it from standard input',
      (url: string, before: string[] = []) => [...before, secretValue(url)],
    )
    .option(
      '--start <when>',
      'always, on_demand (while somebody watches) or schedule',
      oneOf('always', 'on_demand', 'schedule'),
    )
    .option('--stop-after-idle <seconds>', 'with on_demand: how long nobody may watch', count)
    .option(
      '--schedule <json>',
      'with schedule: [{"days": [1, 2], "from": "09:00", "to": "17:00", "time_zone": "…"}]',
      list,
    )
    .option(
      '--encoder <what>',
      'an encoder that publishes meanwhile: takes_over or refused',
      oneOf('takes_over', 'refused'),
    )
    .action(
      withClient<PullOptions, [string]>(async (context, stream) => {
        const { from, start, stopAfterIdle, encoder, schedule } = context.options;
        const [url, ...urls] = from;
        const mode = { enabled: true, url, urls, start, stop_after_idle_s: stopAfterIdle, schedule, encoder };
        await change(context, stream, mode, 'is pulled from now on');
      }),
    );

  pull
    .command('test <stream>')
    .description('Look at what a URL gives, without pulling from it.')
    .requiredOption('--from <url>', 'the URL; - reads it from standard input', secretValue)
    .action(
      withClient<{ readonly from: string }, [string]>(async ({ client, options }, stream) => {
        const result = await client.liveStreams.testPull(stream, { url: options.from });
        printObject(result, options);
        if (!result.ok) process.exitCode = 1;
      }),
    );

  for (const enabled of [true, false])
    pull
      .command(`${enabled ? 'on' : 'off'} <stream>`)
      .description(enabled ? 'Pull it again as it was set.' : 'Stop pulling; the settings are kept.')
      .action(
        withClient<object, [string]>((context, stream) =>
          change(context, stream, { enabled }, enabled ? 'is pulled from now on' : 'is not pulled any more'),
        ),
      );

  pull
    .command('status <stream>')
    .description('Show where it is pulled from, and how that fares.')
    .action(
      withClient<object, [string]>(async ({ client, options }, stream) => {
        const { settings, pulling_status } = await client.liveStreams.get(stream);
        printObject({ ...settings.pulling_mode, status: pulling_status ?? { state: 'off' } }, options);
      }),
    );
}

async function change(
  { client, options }: Context,
  id: string,
  pulling_mode: PullingMode,
  done: string,
): Promise<void> {
  const stream: LiveStream = await client.liveStreams.update(id, { settings: { pulling_mode } });
  printDone(`${stream.name} (${stream._id}) ${done}.`, stream, options);
}

const oneOf =
  <T extends string>(...values: T[]) =>
  (value: string): T => {
    const one = values.find((known) => known === value);
    if (!one) throw new InvalidArgumentError(`It is one of ${values.join(', ')}.`);
    return one;
  };

function list(value: string): NonNullable<PullingMode['schedule']> {
  try {
    const given: unknown = JSON.parse(value);
    if (Array.isArray(given)) return given;
  } catch {
    // Said below.
  }
  throw new InvalidArgumentError('It is a JSON list.');
}
