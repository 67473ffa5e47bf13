/** What may go out by RTMP, in the API's words. */
export const CODECS = ['h264', 'hevc', 'av1', 'aac', 'opus'] as const;
export type Codec = (typeof CODECS)[number];

/** A service that live streams are pushed to, as its own documents describe it. */
export interface PlatformTemplate {
  readonly template: string;
  readonly name: string;
  /** The first is taken when a platform brings none. None: each account or broadcast has one of its own. */
  readonly servers: readonly string[];
  readonly key_form: string;
  /** Where its users find the key. */
  readonly key_help: string;
  readonly codecs: readonly Codec[];
  /** kbit/s of video and audio together; null where the service names no limit. */
  readonly max_bitrate: number | null;
}

/** What every service takes. */
export const COMMON_CODECS: readonly Codec[] = ['h264', 'aac'];

const service = (
  template: string,
  name: string,
  servers: readonly string[],
  key: readonly [form: string, help: string],
  max_bitrate: number | null = null,
  codecs = COMMON_CODECS,
): PlatformTemplate => ({ template, name, servers, key_form: key[0], key_help: key[1], codecs, max_bitrate });

/** The services that we know; `custom` is any other. */
export const PLATFORM_TEMPLATES: readonly PlatformTemplate[] = [
  service(
    'youtube',
    'YouTube',
    [
      'rtmps://a.rtmps.youtube.com/live2',
      'rtmps://b.rtmps.youtube.com/live2?backup=1',
      'rtmp://a.rtmp.youtube.com/live2',
    ],
    ['xxxx-xxxx-xxxx-xxxx-xxxx', 'YouTube Studio: Create, Go live, Stream; "Stream key".'],
    51_000,
    ['h264', 'hevc', 'av1', 'aac'],
  ),
  service(
    'facebook',
    'Facebook Live',
    ['rtmps://live-api-s.facebook.com:443/rtmp/'],
    ['FB-<digits>-<digits>-<letters>', 'facebook.com/live/producer: Streaming software; "Stream key".'],
  ),
  service(
    'twitch',
    'Twitch',
    ['rtmp://live.twitch.tv/app'],
    ['live_<digits>_<letters>', 'Creator Dashboard: Settings, Stream; "Primary Stream key".'],
    6000,
  ),
  service(
    'kick',
    'Kick',
    ['rtmps://fa723fc1b171.global-contribute.live-video.net/app'],
    [
      'sk_<region>_<letters>',
      'Creator Dashboard: Settings, Stream URL & Key. A server that is shown there goes first.',
    ],
    8000,
  ),
  service(
    'x',
    'X (Periscope)',
    ['rtmps://va.pscp.tv:443/x', 'rtmps://de.pscp.tv:443/x'],
    ['<letters and digits>', 'Media Studio: Producer, Sources; each source has its own server and key.'],
    12_000,
  ),
  service(
    'linkedin',
    'LinkedIn Live',
    [],
    [
      '<letters and digits>',
      'linkedin.com/video/golive: choose the event and a region; server and key are made for each broadcast.',
    ],
    6000,
  ),
  service(
    'instagram',
    'Instagram Live',
    ['rtmps://live-upload.instagram.com:443/rtmp/'],
    ['<digits>?s_bl=1&…', 'instagram.com on a computer: Create, Live video; the key is made for each broadcast.'],
  ),
  service(
    'tiktok',
    'TikTok LIVE',
    [],
    ['<letters and digits>', 'LIVE Producer: Create; server and key are made for each broadcast.'],
  ),
  service(
    'vimeo',
    'Vimeo',
    ['rtmps://rtmp-global.cloud.vimeo.com:443/live'],
    ['<letters and digits>', 'The event: Stream settings, RTMP; "Stream key".'],
  ),
  service(
    'dailymotion',
    'Dailymotion',
    ['rtmp://publish.dailymotion.com/publish-dm'],
    ['<video>?auth=<letters>', 'Dailymotion Studio: Media, Live; "Stream key".'],
  ),
  service(
    'trovo',
    'Trovo',
    ['rtmp://livepush.trovo.live/live/'],
    ['<letters>?bizid=…', 'Trovo Studio: My Stream; "Stream Key".'],
  ),
  service(
    'telegram',
    'Telegram',
    [],
    ['<digits>:<letters>', 'The channel or group: Live stream, Stream with…; the server is shown beside the key.'],
  ),
  service('custom', 'Another RTMP server', [], ['as the server wants it', "The service's own documents."]),
];

/** The service that the name of a template means, in any case of letters; undefined for one that we do not know. */
export const templateOf = (name: string): PlatformTemplate | undefined =>
  PLATFORM_TEMPLATES.find(({ template }) => template === name.toLowerCase());
