/** Message type ids, RTMP 1.0 sections 5.4 and 7.1. */
export const MessageType = {
  setChunkSize: 1,
  abort: 2,
  acknowledgement: 3,
  userControl: 4,
  windowSize: 5,
  peerBandwidth: 6,
  audio: 8,
  video: 9,
  dataAmf3: 15,
  sharedObjectAmf3: 16,
  commandAmf3: 17,
  dataAmf0: 18,
  sharedObjectAmf0: 19,
  commandAmf0: 20,
  aggregate: 22,
} as const;

/** User control event types, RTMP 1.0 section 7.1.7. */
export const UserControl = {
  streamBegin: 0,
  streamEof: 1,
  setBufferLength: 3,
  pingRequest: 6,
  pingResponse: 7,
} as const;

/** The chunk streams that we send on: control on 2 as the protocol demands, the others by custom. */
export const ChunkStreamId = { control: 2, command: 3, audio: 4, stream: 5, video: 6 } as const;
