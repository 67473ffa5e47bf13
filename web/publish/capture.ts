import tapUrl from './sound-tap.ts?worker&url';

export type PictureSource = 'camera' | 'screen' | 'none';

/** What the user has chosen. An empty device id is the browser's own choice. */
export interface Choice {
  readonly picture: PictureSource;
  readonly camera: string;
  /** Null: no microphone. */
  readonly microphone: string | null;
  /** The most that is asked of the camera. */
  readonly width: number;
  readonly height: number;
}

/** The most that is sent of anything. */
export const MAX_FRAME_RATE = 30;
export const SAMPLE_RATE = 48_000;

/** What is captured, and the sound of all of it in one. */
export class Capture {
  readonly video: MediaStreamTrack | null;
  /** Whether anything makes a sound. */
  readonly hasSound: boolean;
  /** A block of sound: two channels, one after the other. */
  onSound: (block: Float32Array) => void = () => {};
  /** The user, or the device, has ended the picture. */
  onEnd: () => void = () => {};
  readonly #tracks: readonly MediaStreamTrack[];
  readonly #context: AudioContext | null;

  private constructor(tracks: readonly MediaStreamTrack[], context: AudioContext | null) {
    this.#tracks = tracks;
    this.#context = context;
    this.video = tracks.find(({ kind }) => kind === 'video') ?? null;
    this.hasSound = context !== null;
    this.video?.addEventListener('ended', () => this.onEnd());
  }

  /** Asks for what was chosen; to be called from a click. Rejects with what the browser says. */
  static async start(choice: Choice): Promise<Capture> {
    const tracks: MediaStreamTrack[] = [];
    try {
      if (choice.picture === 'screen') {
        // A rate of pictures may be asked for, but a system's own sound is given by some browsers only.
        const screen = await navigator.mediaDevices.getDisplayMedia({
          video: { frameRate: { max: MAX_FRAME_RATE } },
          audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
        });
        tracks.push(...screen.getTracks());
      }
      const camera = choice.picture === 'camera' && {
        ...device(choice.camera),
        width: { ideal: choice.width },
        height: { ideal: choice.height },
        frameRate: { ideal: MAX_FRAME_RATE, max: MAX_FRAME_RATE },
      };
      const microphone = choice.microphone !== null && { ...device(choice.microphone), echoCancellation: false };
      if (camera || microphone) {
        const stream = await navigator.mediaDevices.getUserMedia({ video: camera, audio: microphone });
        tracks.push(...stream.getTracks());
      }
      const sounds = tracks.filter(({ kind }) => kind === 'audio');
      const context = sounds.length > 0 ? new AudioContext({ sampleRate: SAMPLE_RATE }) : null;
      const capture = new Capture(tracks, context);
      if (context) await capture.#listen(context, sounds);
      return capture;
    } catch (error) {
      for (const track of tracks) track.stop();
      throw error;
    }
  }

  stop(): void {
    this.onSound = () => {};
    this.onEnd = () => {};
    for (const track of this.#tracks) track.stop();
    void this.#context?.close();
  }

  async #listen(context: AudioContext, sounds: readonly MediaStreamTrack[]): Promise<void> {
    await context.audioWorklet.addModule(tapUrl);
    const tap = new AudioWorkletNode(context, 'sound-tap', { channelCount: 2, channelCountMode: 'explicit' });
    tap.port.onmessage = ({ data }: MessageEvent<Float32Array>) => this.onSound(data);
    for (const sound of sounds) context.createMediaStreamSource(new MediaStream([sound])).connect(tap);
    // It is silent; but only what leads somewhere is run.
    tap.connect(context.destination);
    await context.resume();
  }
}

const device = (id: string): MediaTrackConstraints => (id ? { deviceId: { exact: id } } : {});
