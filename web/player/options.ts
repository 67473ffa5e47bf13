/**
 * What an embedded player is asked for. Each option is an attribute of `<liveapi-player>` (`offline-text`) and a parameter of the
 * pages' addresses (`?offlineText=…`, contract §2.8). Values that make no sense count as not given.
 */
export interface PlayerOptions {
  /** Begin without being asked. */
  readonly autoplay: boolean;
  /** Begin without sound; null when nothing is said. */
  readonly muted: boolean | null;
  readonly controls: boolean;
  /** A recording begins again at its end. */
  readonly loop: boolean;
  /** What the control bar offers, where the browser can do it. */
  readonly pip: boolean;
  readonly cast: boolean;
  readonly airplay: boolean;
  readonly fullscreen: boolean;
  readonly speed: boolean;
  readonly playButton: boolean;
  /** The buttons at the right end of the control bar, all of them. */
  readonly buttons: boolean;
  /** A click on the picture plays and pauses. */
  readonly click: boolean;
  /** Pauses while nobody can see it. */
  readonly onlyWhileSeen: boolean;
  /** What to say while the stream is off air; null for the player's own words. Plain text. */
  readonly offlineText: string | null;
  readonly title: string | null;
  /** Addresses of pictures. */
  readonly poster: string | null;
  readonly logo: string | null;
  /** A CSS colour. */
  readonly color: string | null;
  /** When the stream begins, in milliseconds since 1970. */
  readonly startMs: number | null;
  /** Start and length in seconds of what to play of a recording, as the server reads it (`S-D`). */
  readonly range: string | null;
  /** What the viewer was given to watch with, where not everybody may; handed to the server. */
  readonly token: string | null;
  /** How far behind the server's edge to play, in seconds; null for what the playlist asks for. */
  readonly latencyS: number | null;
  /** Where a recording begins, in seconds. */
  readonly seekToS: number | null;
  /** The best picture from the start on, whatever the network does. */
  readonly bestQuality: boolean;
  /** Which of several pictures and sounds to begin with, counted from 0. */
  readonly videoTrack: number | null;
  readonly audioTrack: number | null;
  /** Names for the menus, in the playlist's order. */
  readonly audioLabels: readonly string[];
  readonly captionLabels: readonly string[];
  /** Size of captions; 1 is the browser's own. */
  readonly captionScale: number | null;
  readonly captionColor: string | null;
  /** Whether the page around an embedded page is told every few seconds how long was watched. */
  readonly reportWatch: boolean;
  /** Whether the page's `gtag` is told what happens. */
  readonly ga: boolean;
}

const maxText = 200;
const maxLabels = 20;
const captionColors = new Set('white yellow green cyan blue magenta red black'.split(' '));

/** Parameters whose attribute is not their name in lower case. */
const attributeOf: Record<string, string> = {
  hideControlbarPlayButton: 'hide-play-button',
  pp: 'only-while-seen',
  offlineText: 'offline-text',
  title: 'stream-title',
  ccTracks: 'cc-tracks',
  ccFontSize: 'cc-font-size',
  ccFontColor: 'cc-font-color',
  defaultTrack: 'default-track',
  seekTo: 'seek-to',
  iframeMsg: 'iframe-msg',
};
const sameName =
  'autoplay muted controls loop pip cast airplay fullscreen click speed buttons poster logo color start range latency quality abr track tracks lang token';

/** The attributes that set options, in lower case. */
export const optionAttributes: readonly string[] = [...Object.values(attributeOf), ...sameName.split(' '), 'ga'];

/** Turns `location.search` into attributes. Names that are not known are left out. */
export function queryAttributes(search: string): Map<string, string> {
  const known = new Map([...sameName.split(' ').map((name) => [name, name] as const), ...Object.entries(attributeOf)]);
  const found = new Map<string, string>();
  for (const pair of search.replace(/^\?/, '').split('&')) {
    const equals = pair.indexOf('=');
    const attribute = known.get(equals < 0 ? pair : pair.slice(0, equals));
    if (attribute) found.set(attribute, equals < 0 ? '' : unescaped(pair.slice(equals + 1)));
  }
  return found;
}

/** Reads the options from attributes; `base` is what addresses of pictures are relative to. */
export function readOptions(attribute: (name: string) => string | null, base: string): PlayerOptions {
  const on = (name: string, otherwise: boolean) => readSwitch(attribute(name)) ?? otherwise;
  const label = (name: string) =>
    (attribute(name) ?? '')
      .split(',', maxLabels)
      .map((text) => text.trim().slice(0, 60))
      .filter((text) => text !== '');
  const [, video, audio] = /^(?:v(\d{1,2}))?(?:a(\d{1,2}))?$/.exec(attribute('track') ?? '') ?? [];
  const range = attribute('range') ?? '';
  return {
    autoplay: on('autoplay', false),
    muted: readSwitch(attribute('muted')),
    controls: on('controls', true),
    loop: on('loop', false),
    pip: on('pip', true),
    cast: on('cast', true),
    airplay: on('airplay', true),
    fullscreen: on('fullscreen', true),
    speed: on('speed', true),
    playButton: !on('hide-play-button', false),
    buttons: on('buttons', true),
    click: on('click', true),
    onlyWhileSeen: on('only-while-seen', false),
    offlineText: readText(attribute('offline-text')),
    title: readText(attribute('stream-title')),
    poster: readPicture(attribute('poster'), base),
    logo: readPicture(attribute('logo'), base),
    color: readColor(attribute('color')),
    startMs: readTime(attribute('start')),
    range: /^\d{1,12}-\d{1,7}$/.test(range) ? range : null,
    token: attribute('token')?.slice(0, 4096) || null,
    latencyS: readNumber(attribute('latency'), 0.3, 120),
    seekToS: readNumber(attribute('seek-to'), 0, 1e6),
    bestQuality: attribute('quality') === 'highest' || !on('abr', true),
    videoTrack: video ? Number(video) - 1 : null,
    audioTrack: readNumber(attribute('default-track'), 0, 99) ?? (audio ? Number(audio) - 1 : null),
    audioLabels: label('tracks'),
    captionLabels: label('cc-tracks'),
    captionScale: readNumber(attribute('cc-font-size'), 0.5, 3),
    captionColor: captionColors.has(attribute('cc-font-color') ?? '') ? attribute('cc-font-color') : null,
    reportWatch: on('iframe-msg', false),
    ga: on('ga', false),
  };
}

function readSwitch(value: string | null): boolean | null {
  if (value === null) return null;
  if (/^(1|true|on|yes|)$/i.test(value)) return true;
  return /^(0|false|off|no)$/i.test(value) ? false : null;
}

function readNumber(value: string | null, least: number, most: number): number | null {
  const number = value?.trim() ? Number(value) : Number.NaN;
  return number >= least && number <= most ? number : null;
}

const readText = (value: string | null): string | null => value?.trim().slice(0, maxText) || null;

function readTime(value: string | null): number | null {
  const ms = value && /^\d{4}-\d\d-\d\d/.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(ms) ? null : ms;
}

function readPicture(value: string | null, base: string): string | null {
  try {
    const url = value ? new URL(value, base) : null;
    return url && (/^https?:$/.test(url.protocol) || url.href.startsWith('data:image/')) ? url.href : null;
  } catch {
    return null;
  }
}

/** As CSS has it, or six digits alone: in an address `#` begins something else. */
function readColor(value: string | null): string | null {
  if (!value) return null;
  const color = /^([0-9a-f]{3}|[0-9a-f]{6})$/i.test(value) ? `#${value}` : value;
  return CSS.supports('color', color) ? color : null;
}

/** Both ways of writing a space are in use: the usual escapes, and a bare `%` between words, which is no escape at all. */
function unescaped(value: string): string {
  const spaced = value.replaceAll('+', ' ');
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced.replaceAll('%', ' ');
  }
}
