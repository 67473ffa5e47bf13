/** Why a publish is refused, in the words that encoders show to their users; the same by whatever way they come. */
export const REFUSALS = {
  // One wording for an unknown key and for a wrong password: neither must be told from the other.
  unknown_key: 'Unknown stream key: copy the key again from the live stream, with its ?password= part.',
  key_rotated: 'The stream key has just been changed: copy the new one from the live stream.',
  disabled: 'This live stream is disabled: enable it, then publish again.',
  pull_holds: 'A pull feeds this live stream: stop it or set encoder to takes_over.',
  busy: 'Already live: another encoder publishes to this live stream. Stop it first.',
  unchecked: 'The server cannot check stream keys right now: try again in a moment.',
} as const;
