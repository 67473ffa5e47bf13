import type { Notices } from '../../formats/flv/index.ts';
import { HlsFetch, resolveUri, SourceFailure } from './hls-fetch.ts';
import { HlsMedia } from './hls-media.ts';
import { chooseVariant, isMultivariant, readPlaylist } from './hls-playlist.ts';
import { HlsRendition, MAX_PLAYLIST } from './hls-rendition.ts';
import { Pacer } from './pacer.ts';
import type { MakeSource, SourceEnd } from './source.ts';
import { endOfError, SOURCE_ENDED, unsupportedVideo } from './source-end.ts';
import { SourceTimeline } from './source-timeline.ts';

/** HLS, live or an ended playlist, with low latency where the server offers it: one variant, and its sound where that comes apart. */
export const hlsSource: MakeSource = (url, events, context) => {
  const { log } = context;
  const abort = new AbortController();
  const { signal } = abort;
  const pacer = new Pacer((packet) => events.packet(packet));
  const fetch = new HlsFetch(context, events, signal);
  const close = (): void => {
    abort.abort();
    pacer.close();
  };
  const end = (reason: SourceEnd): void => {
    if (signal.aborted) return;
    close();
    events.ended(reason);
  };
  const notices: Notices = {
    unsupported: (kind, codec) => {
      events.unsupported(kind, codec);
      if (kind === 'video') throw new SourceFailure(unsupportedVideo(codec));
    },
    dropped: (reason) => log.info({ reason }, 'frame of the source dropped'),
  };
  const timeline = new SourceTimeline();
  const rendition = (from: string, wants: 'all' | 'video' | 'audio'): HlsRendition =>
    new HlsRendition(from, {
      fetch,
      media: new HlsMedia(notices, (work) => fetch.share(work)),
      lane: timeline.lane(),
      pacer,
      log,
      wants: ({ track }) => wants === 'all' || wants === track.kind,
    });

  async function play(): Promise<SourceEnd> {
    const first = await fetch.get(url, { maxBytes: MAX_PLAYLIST });
    const playlist = await fetch.share(() => readPlaylist(first.body));
    if (isMultivariant(playlist)) {
      const { uri, audioUri } = chooseVariant(playlist);
      const main = rendition(resolveUri(uri, first.url), audioUri === null ? 'all' : 'video');
      const sound = audioUri === null ? null : rendition(resolveUri(audioUri, first.url), 'audio');
      await Promise.all([main.run(null), sound?.run(null)]);
    } else await rendition(first.url, 'all').run(playlist);
    await pacer.room(0);
    return SOURCE_ENDED;
  }

  return {
    protocol: 'pull-hls',
    start: () =>
      void play().then(end, (error) => {
        if (!signal.aborted) end(error instanceof SourceFailure ? error.end : endOfError(error, log));
      }),
    close,
  };
};
