import type { Refusal } from './probe.ts';
import { type Playback, write } from './shell.ts';
import type { Texts } from './texts.ts';

const refusals: Record<Refusal, readonly [keyof Texts, keyof Texts]> = {
  password: ['password', 'passwordText'],
  domain: ['domain', 'domainText'],
  country: ['country', 'countryText'],
  expired: ['expired', 'expiredText'],
  forbidden: ['forbidden', 'forbiddenText'],
};

/** Says in words how the stream stands, while there is no picture to see, and counts down to its beginning. */
export function showScreen(root: ParentNode, player: Playback): void {
  const [title, text] = words(player);
  write(root, '.message-title', title);
  write(root, '.message-text', text);
  const behind = player.latency === null ? '' : player.texts.behind.replace('{time}', player.latency.toFixed(1));
  root.querySelector('.go-live')?.setAttribute('title', behind);
  const leftMs = player.state === 'waiting' ? (player.options.startMs ?? 0) - Date.now() : 0;
  const time = clock(Math.ceil(leftMs / 1000));
  write(root, '.countdown', leftMs > 0 ? player.texts.startsIn.replace('{time}', time) : '');
}

function words({ state, refusal, options, texts, isRecording, language }: Playback): readonly [string, string] {
  const own = options.offlineText;
  switch (state) {
    case 'waiting':
      if (own !== null) return [own, ''];
      if (options.startMs !== null && options.startMs > Date.now()) {
        const when = new Intl.DateTimeFormat(language, { dateStyle: 'full', timeStyle: 'short' });
        return [options.title ?? texts.waiting, when.format(options.startMs)];
      }
      return [texts.waiting, texts.waitingText];
    case 'ended':
      if (own !== null) return [own, ''];
      return isRecording ? [texts.recordingEnded, texts.recordingEndedText] : [texts.ended, texts.endedText];
    case 'away':
      return [texts.away, texts.awayText];
    case 'error':
      return [texts.error, texts.errorText];
    case 'refused':
      return refusals[refusal ?? 'forbidden'].map((name) => texts[name]) as [string, string];
    case 'connecting':
      return [texts.connecting, ''];
    case 'playing':
      return ['', ''];
  }
}

/** Seconds as `1:02:03`, with `-` for what lies behind the live edge. */
export function clock(seconds: number): string {
  const whole = Math.abs(Math.round(seconds));
  const two = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const text = hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
  return seconds < -0.5 ? `-${text}` : text;
}
