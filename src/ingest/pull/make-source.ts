import { CodedError } from '../../base/index.ts';
import type { Outbound } from '../../outbound/index.ts';
import { FFMPEG_MISSING, type Ffmpeg } from './ffmpeg.ts';
import { ffmpegSource } from './ffmpeg-source.ts';
import { httpSource } from './http-source.ts';
import { rtmpSource } from './rtmp-source.ts';
import { rtspInput } from './rtsp.ts';
import type { Source, SourceContext, SourceEvents } from './source.ts';
import { srtInput } from './srt.ts';

const schemeOf = (url: string): string => /^\s*([a-z]+):/i.exec(url)?.[1]?.toLowerCase() ?? '';

/** The source for a URL, by its scheme; over HTTP it is looked at what comes. The guard has not seen the URL yet. */
export function makeSource(url: string, events: SourceEvents, context: SourceContext, ffmpeg: Ffmpeg): Source {
  const { outbound } = context;
  switch (schemeOf(url)) {
    case 'rtmp':
    case 'rtmps':
      return rtmpSource(url, events, context);
    case 'rtsp':
      return ffmpegSource('pull-rtsp', ffmpeg, (signal) => rtspInput(url, outbound, signal), events, context);
    case 'srt':
      return ffmpegSource('pull-srt', ffmpeg, async () => srtInput(await outbound.check(url, 'pull')), events, context);
    default:
      return httpSource(url, events, context);
  }
}

/**
 * Whether a URL can be pulled from: the guard lets us connect, its options make sense, and what it needs is installed. Connects to
 * nothing.
 * @throws CodedError destination_refused, bad_request; neither repeats the URL
 */
export async function checkUrl(url: string, outbound: Outbound, ffmpeg: Ffmpeg): Promise<void> {
  const scheme = schemeOf(url);
  const destination = await outbound.check(url, 'pull');
  if (scheme === 'srt') srtInput(destination);
  if ((scheme === 'rtsp' || scheme === 'srt') && !(await ffmpeg.installed()))
    throw new CodedError('bad_request', FFMPEG_MISSING);
}
