import { writeAudioTag, writeFlvTag, writeOpusTag, writeVideoTag } from '../formats/flv/index.ts';
import { ChunkStreamId, MessageType, writeMessage } from '../formats/rtmp/index.ts';
import type { AudioTrack, VideoTrack } from '../media/index.ts';
import { FEED_CHUNK_SIZE, FEED_STREAM_ID, type FeedForm } from './feed.ts';

/** Makes the bytes of one form. Times are whole milliseconds. */
export interface FormWriter {
  config(track: VideoTrack | AudioTrack, ms: number): Buffer;
  video(ms: number, key: boolean, compositionMs: number, data: Uint8Array): Buffer;
  audio(track: AudioTrack, ms: number, data: Uint8Array): Buffer;
}

const rtmp = {
  video: (ms: number, body: Buffer) =>
    writeMessage(ChunkStreamId.video, MessageType.video, FEED_STREAM_ID, ms, body, FEED_CHUNK_SIZE),
  audio: (ms: number, body: Buffer) =>
    writeMessage(ChunkStreamId.audio, MessageType.audio, FEED_STREAM_ID, ms, body, FEED_CHUNK_SIZE),
};

const flv = {
  video: (ms: number, body: Buffer) => writeFlvTag({ type: 'video', timestampMs: ms, body }),
  audio: (ms: number, body: Buffer) => writeFlvTag({ type: 'audio', timestampMs: ms, body }),
};

/** The writer of a form's bytes. */
export function formWriter(form: FeedForm): FormWriter {
  const wrap = form === 'flv' ? flv : rtmp;
  return {
    config: (track, ms) =>
      track.kind === 'video'
        ? wrap.video(ms, writeVideoTag('config', true, 0, track.config.record))
        : wrap.audio(ms, audioTag(track, 'config', track.config.record)),
    video: (ms, key, compositionMs, data) => wrap.video(ms, writeVideoTag('frame', key, compositionMs, data)),
    audio: (track, ms, data) => wrap.audio(ms, audioTag(track, 'frame', data)),
  };
}

const audioTag = ({ codec }: AudioTrack, kind: 'config' | 'frame', data: Uint8Array): Buffer =>
  codec === 'opus' ? writeOpusTag(kind, data) : writeAudioTag(kind, data);
