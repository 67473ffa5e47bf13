import { InvalidArgumentError } from 'commander';
import { EVENT_NAMES, type EventName } from '../contract/index.ts';

/** The name of an event, for an option. */
export function eventName(value: string): EventName {
  const known = EVENT_NAMES.find((one) => one === value.trim());
  if (!known) throw new InvalidArgumentError(`The events are ${EVENT_NAMES.join(', ')}.`);
  return known;
}

/** A list of them, separated by commas. */
export const eventNames = (value: string): EventName[] => value.split(',').map(eventName);
