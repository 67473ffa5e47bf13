import { CodedError } from '../base/index.ts';
import { BitReader } from './bits.ts';

/** What an AAC publisher says of its stream, once per configuration. */
export interface AacConfig {
  /** AudioSpecificConfig (ISO 14496-3, 1.6.2.1): an own copy, equal to what the publisher sent. */
  readonly record: Buffer;
  /** RFC 6381: `mp4a.40.2` (AAC-LC), `.5` (HE-AAC) or `.29` (HE-AACv2). */
  readonly codecString: 'mp4a.40.2' | 'mp4a.40.5' | 'mp4a.40.29';
  /** Of the AAC core, in Hz: the track's timescale. */
  readonly sampleRate: number;
  /** Samples of one frame at `sampleRate`. */
  readonly frameSamples: 1024 | 960;
  readonly channels: number;
  /** What a decoder gives, in Hz: twice `sampleRate` with HE-AAC. */
  readonly outputSampleRate: number;
}

/** By sampling frequency index (table 1.18). */
const SAMPLE_RATES = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350];
/** By channel configuration (table 1.19); 0 where it is reserved. Configuration 0 itself: a program config element follows. */
const CHANNELS = [0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 24, 8, 0];

const OBJECT_LC = 2;
const OBJECT_SBR = 5;
const OBJECT_PS = 29;

/**
 * Parses an AudioSpecificConfig. The FLV tag's own rate and channel bits are not to be believed, this is. HE-AAC is seen
 * when it is signalled, in front or behind the core's configuration. Throws `media_invalid` when it cannot be read or cannot be played.
 */
export function parseAacConfig(record: Uint8Array): AacConfig {
  const bits = new BitReader(record, 'AAC: the AudioSpecificConfig');
  let objectType = readObjectType(bits);
  const sampleRate = readRate(bits);
  const channelConfiguration = bits.read(4);
  let extension = 0;
  let outputSampleRate = sampleRate;
  if (objectType === OBJECT_SBR || objectType === OBJECT_PS) {
    extension = objectType;
    outputSampleRate = readRate(bits);
    objectType = readObjectType(bits);
  }
  if (objectType !== OBJECT_LC) {
    throw invalid(`object type ${objectType} cannot be played in browsers: set the encoder to AAC-LC or HE-AAC`);
  }
  const frameSamples = bits.flag() ? 960 : 1024;
  if (bits.flag()) bits.read(14); // coreCoderDelay
  bits.flag(); // extensionFlag
  const channels = channelConfiguration === 0 ? readProgramChannels(bits) : CHANNELS[channelConfiguration]!;
  if (channels === 0) throw invalid(`channel configuration ${channelConfiguration} is reserved`);

  // Backward compatible signalling, behind the core's configuration (1.6.5.2).
  if (
    extension === 0 &&
    bits.bitsLeft >= 16 &&
    bits.read(11) === 0x2b7 &&
    readObjectType(bits) === OBJECT_SBR &&
    bits.flag()
  ) {
    extension = OBJECT_SBR;
    outputSampleRate = readRate(bits);
    if (bits.bitsLeft >= 12 && bits.read(11) === 0x548 && bits.flag()) extension = OBJECT_PS;
  }
  const codecString = extension === OBJECT_PS ? 'mp4a.40.29' : extension === OBJECT_SBR ? 'mp4a.40.5' : 'mp4a.40.2';
  return { record: Buffer.from(record), codecString, sampleRate, frameSamples, channels, outputSampleRate };
}

/** Whether two configurations are the same to every reader: then no new Track is due. */
export function sameAacConfig(a: AacConfig, b: AacConfig): boolean {
  return a.record.equals(b.record);
}

function readObjectType(bits: BitReader): number {
  const type = bits.read(5);
  return type === 31 ? 32 + bits.read(6) : type;
}

function readRate(bits: BitReader): number {
  const index = bits.read(4);
  const rate = index === 15 ? bits.read(24) : SAMPLE_RATES[index];
  if (!rate || rate < 1000 || rate > 192000) throw invalid(`sample rate ${rate ?? `index ${index}`} is not usable`);
  return rate;
}

/** Channels of a program config element (4.4.1.1). */
function readProgramChannels(bits: BitReader): number {
  bits.read(10); // instance tag, object type, sampling frequency index
  const elements = bits.read(4) + bits.read(4) + bits.read(4);
  const lfe = bits.read(2);
  const associated = bits.read(3);
  const coupling = bits.read(4);
  if (bits.flag()) bits.read(4); // mono mixdown
  if (bits.flag()) bits.read(4); // stereo mixdown
  if (bits.flag()) bits.read(3); // matrix mixdown
  let channels = lfe;
  for (let i = 0; i < elements; i++) {
    channels += bits.flag() ? 2 : 1;
    bits.read(4);
  }
  bits.read(lfe * 4 + associated * 4);
  for (let i = 0; i < coupling; i++) bits.read(5);
  bits.align();
  for (let comment = bits.read(8); comment > 0; comment--) bits.read(8);
  return channels;
}

function invalid(message: string): CodedError {
  return new CodedError('media_invalid', `AAC: ${message}`);
}
