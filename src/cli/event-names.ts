import { InvalidArgumentError } from 'commander';
import { EVENT_NAMES, type EventName } from '../contract/index.ts';

/** A list of event names, separated by commas, for an option. */
export function eventNames(value: string): EventName[] {
  return value.split(',').map((name) => {
    const known = EVENT_NAMES.find((one) => one === name.trim());
    if (!known) throw new InvalidArgumentError(`The events are ${EVENT_NAMES.join(', ')}.`);
    return known;
  });
}
