import { MAX_FRAME_RATE, SAMPLE_RATE } from './capture.ts';

/** What is sent as a picture at most. */
export interface Quality {
  readonly name: string;
  readonly width: number;
  readonly height: number;
  readonly bitrate: number;
}

export const QUALITIES: readonly Quality[] = [
  { name: '1080p, 4.5 Mbit/s', width: 1920, height: 1080, bitrate: 4_500_000 },
  { name: '720p, 2.5 Mbit/s', width: 1280, height: 720, bitrate: 2_500_000 },
  { name: '540p, 1.2 Mbit/s', width: 960, height: 540, bitrate: 1_200_000 },
  { name: '360p, 0.6 Mbit/s', width: 640, height: 360, bitrate: 600_000 },
];

const SOUND_BITRATE = 128_000;

/** H.264 High, Main, Constrained Baseline: the best that the browser encodes. */
const PROFILES = ['6400', '4d00', '42e0'];
/** Levels 4.0 and 3.1: enough for 1080p and 720p with 30 pictures a second. */
const level = (pixels: number): string => (pixels > 1280 * 720 ? '28' : '1f');

/** How pictures of this size are to be encoded; null where the browser does not encode H.264. */
export async function videoConfig(width: number, height: number, bitrate: number): Promise<VideoEncoderConfig | null> {
  for (const profile of PROFILES) {
    const config: VideoEncoderConfig = {
      codec: `avc1.${profile}${level(width * height)}`,
      width,
      height,
      bitrate,
      framerate: MAX_FRAME_RATE,
      latencyMode: 'realtime',
      avc: { format: 'avc' },
    };
    const { supported } = await VideoEncoder.isConfigSupported(config).catch(() => ({ supported: false }));
    if (supported) return config;
  }
  return null;
}

/** How sound is to be encoded: AAC, which everything plays, or else Opus; null where the browser encodes neither. */
export async function audioConfig(): Promise<AudioEncoderConfig | null> {
  if (!('AudioEncoder' in globalThis)) return null;
  const common = { sampleRate: SAMPLE_RATE, numberOfChannels: 2, bitrate: SOUND_BITRATE };
  const configs: AudioEncoderConfig[] = [
    { codec: 'mp4a.40.2', ...common, aac: { format: 'aac' } },
    { codec: 'opus', ...common },
  ];
  for (const config of configs) {
    const { supported } = await AudioEncoder.isConfigSupported(config).catch(() => ({ supported: false }));
    if (supported) return config;
  }
  return null;
}

/** What this browser can do. `problem` says why it cannot publish at all, `notes` what will be missing. */
export interface Support {
  readonly problem: string | null;
  readonly notes: readonly string[];
  readonly picture: boolean;
  readonly audio: AudioEncoderConfig | null;
}

const INSTEAD = 'Use Chrome or Edge 94, Firefox 130 or Safari 16.4 on a computer, or newer; or publish with OBS.';

/** Looks at what this browser can do, without asking the user for anything. */
export async function lookAtSupport(): Promise<Support> {
  const none = { notes: [], picture: false, audio: null };
  if (!globalThis.isSecureContext || !navigator.mediaDevices)
    return {
      ...none,
      problem: 'Browsers give camera and microphone only to pages that come over https (or from this computer).',
    };
  if (!('VideoEncoder' in globalThis) || !('AudioContext' in globalThis))
    return { ...none, problem: `This browser cannot encode video. ${INSTEAD}` };
  const picture = (await videoConfig(1280, 720, 2_500_000)) !== null;
  const audio = await audioConfig();
  if (!picture && !audio) return { ...none, problem: `This browser encodes neither H.264 nor AAC or Opus. ${INSTEAD}` };
  const notes: string[] = [];
  if (!picture) notes.push('This browser cannot encode H.264, so it sends no picture, only sound.');
  if (!audio) notes.push('This browser can encode no sound, so viewers see the picture only.');
  else if (audio.codec === 'opus')
    notes.push(
      'This browser encodes sound as Opus, not AAC: viewers in current browsers hear it, some apps and most platforms take AAC only.',
    );
  return { problem: null, notes, picture, audio };
}
