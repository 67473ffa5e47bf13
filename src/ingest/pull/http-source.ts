import { flvSource } from './flv-source.ts';
import { hlsSource } from './hls-source.ts';
import { HEAD_MS, IDLE_MS } from './http-limits.ts';
import type { MakeSource, Source, SourceContext, SourceEnd } from './source.ts';
import { endOfError, endOfStatus } from './source-end.ts';
import { tsSource } from './ts-source.ts';

/** How the files of each kind are named, how servers call them, and how they begin. */
const KINDS: readonly {
  readonly make: MakeSource;
  readonly name: RegExp;
  readonly type: RegExp;
  readonly begins: RegExp;
}[] = [
  { make: hlsSource, name: /\.m3u8?$/i, type: /mpegurl/i, begins: /^(?:\xef\xbb\xbf)?#EXTM3U/ },
  { make: flvSource, name: /\.flv$/i, type: /\bx?-?flv\b/i, begins: /^FLV/ },
  { make: tsSource, name: /\.(?:ts|m2ts|mts|mpegts)$/i, type: /\bmp2t\b/i, begins: /^G/ },
];

/** HLS, MPEG-TS or FLV over HTTP. A name that tells nothing is settled by a look at what comes (S71). */
export const httpSource: MakeSource = (url, events, context) => {
  const abort = new AbortController();
  const { signal } = abort;
  const named = KINDS.find(({ name }) => name.test(URL.parse(url)?.pathname ?? ''));
  let source: Source | null = named?.make(url, events, context) ?? null;

  async function look(): Promise<void> {
    const found = await kindOf(url, context, signal);
    if (signal.aborted) return;
    if ('code' in found) return events.ended(found);
    source = found.make(url, events, context);
    source.start();
  }

  return {
    get protocol() {
      return source?.protocol ?? 'pull-hls';
    },
    start() {
      if (source) source.start();
      else void look().catch((error) => signal.aborted || events.ended(endOfError(error, context.log)));
    },
    close() {
      abort.abort();
      source?.close();
    },
  };
};

/** Asks for it, and goes as soon as it is clear what it is. */
async function kindOf(
  url: string,
  { outbound }: SourceContext,
  signal: AbortSignal,
): Promise<(typeof KINDS)[number] | SourceEnd> {
  const answer = await outbound.stream(url, { kind: 'pull', timeoutMs: HEAD_MS, idleMs: IDLE_MS, signal });
  try {
    if (answer.status !== 200) return endOfStatus(answer.status);
    const type = String(answer.headers['content-type'] ?? '');
    const typed = KINDS.find((kind) => kind.type.test(type));
    if (typed) return typed;
    for await (const bytes of answer.body) {
      const begin = bytes.toString('latin1', 0, 16);
      return KINDS.find(({ begins }) => begins.test(begin)) ?? UNKNOWN;
    }
    return UNKNOWN;
  } finally {
    answer.close();
  }
}

const UNKNOWN: SourceEnd = {
  code: 'bad_answer',
  message: 'The source gives neither HLS nor MPEG-TS nor FLV.',
  permanent: false,
};
