import { Notification } from '@mantine/core';
import { createContext, type ReactNode, useCallback, useContext, useState } from 'react';
import { wordsOf } from '../api.ts';

interface Toast {
  readonly id: number;
  readonly text: string;
  readonly bad: boolean;
}
type Say = (text: string, bad?: boolean) => void;

const Context = createContext<Say>(() => {});
const SHOWN_MS = 5000;

/** Tells in a corner what has been done; screen readers hear it too. */
export const useToast = (): Say => useContext(Context);
/** For a mutation's onError. */
export function useComplain(): (error: unknown) => void {
  const say = useToast();
  return useCallback((error: unknown) => say(wordsOf(error), true), [say]);
}

let last = 0;
export function Toasts({ children }: { readonly children: ReactNode }): ReactNode {
  const [toasts, setToasts] = useState<readonly Toast[]>([]);
  const drop = useCallback((id: number) => setToasts((all) => all.filter((toast) => toast.id !== id)), []);
  const say = useCallback<Say>(
    (text, bad = false) => {
      const id = ++last;
      setToasts((all) => [...all.slice(-3), { id, text, bad }]);
      setTimeout(() => drop(id), bad ? 2 * SHOWN_MS : SHOWN_MS);
    },
    [drop],
  );
  return (
    <Context value={say}>
      {children}
      <div className="toasts" role="status" aria-live="polite">
        {toasts.map(({ id, text, bad }) => (
          <Notification
            key={id}
            role="presentation"
            color={bad ? 'red' : 'teal'}
            withBorder
            onClose={() => drop(id)}
            closeButtonProps={{ 'aria-label': 'Dismiss' }}
          >
            {text}
          </Notification>
        ))}
      </div>
    </Context>
  );
}
