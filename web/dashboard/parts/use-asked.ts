import { useCallback, useState } from 'react';

/** What somebody is asked about. It stays what it is while the question closes, so that its words do not change then. */
export function useAsked<T>() {
  const [about, setAbout] = useState<T | null>(null);
  const [opened, setOpened] = useState(false);
  const ask = useCallback((about: T) => {
    setAbout(about);
    setOpened(true);
  }, []);
  return { about, opened, ask, close: useCallback(() => setOpened(false), []) };
}
