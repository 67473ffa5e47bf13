import { useQueryClient } from '@tanstack/react-query';
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from 'react';
import type { CurrentSession, Environment, Organization } from '../../src/contract/index.ts';
import { api, Refused, seat, whenSignedOut, wordsOf } from './api.ts';

/** Who is signed in, and where they act. */
export interface Seated {
  readonly session: CurrentSession;
  /** null: the person is in none. */
  readonly organization: Organization | null;
  readonly environment: Environment;
  choose(organizationId: string, environment: Environment): void;
  /** The server gave a new session (a changed password), or the organizations changed. */
  renew(session?: CurrentSession): Promise<void>;
  signOut(): Promise<void>;
}

const Context = createContext<Seated | null>(null);

/** @throws outside of what SessionGate shows to who is signed in */
export function useSeat(): Seated {
  const seated = useContext(Context);
  if (!seated) throw new Error('useSeat: nobody is signed in');
  return seated;
}

/** Whether the person is at least an admin, or the owner, of the chosen organization. */
export const useRole = () => {
  const role = useSeat().organization?.role;
  return { role, admin: role === 'admin' || role === 'owner', owner: role === 'owner' };
};

const CHOICE = 'liveapi-choice';
interface Choice {
  readonly organization: string;
  readonly environment: Environment;
}

/** What was chosen last time in this browser. */
function lastChoice(): Choice {
  try {
    const { organization, environment } = JSON.parse(localStorage.getItem(CHOICE) ?? '{}') as Partial<Choice>;
    return {
      organization: String(organization ?? ''),
      environment: environment === 'development' ? environment : 'production',
    };
  } catch {
    return { organization: '', environment: 'production' };
  }
}

/** Shows `children` to who is signed in, `signIn` to others, `wait` until it is known. */
export function SessionGate(props: {
  readonly children: ReactNode;
  readonly wait: (problem: string | null) => ReactNode;
  readonly signIn: (signedIn: (session: CurrentSession) => void) => ReactNode;
}): ReactNode {
  const queries = useQueryClient();
  const [session, setSession] = useState<CurrentSession | null | undefined>();
  const [problem, setProblem] = useState<string | null>(null);
  const [choice, setChoice] = useState(lastChoice);

  const enter = useCallback((next: CurrentSession | null) => {
    seat.csrfToken = next?.csrf_token ?? '';
    setSession(next);
  }, []);

  useEffect(() => {
    whenSignedOut(() => {
      queries.clear();
      enter(null);
    });
    let timer: number | undefined;
    const look = async () => {
      try {
        enter(await api.get<CurrentSession>('sessions/current'));
      } catch (error) {
        if (error instanceof Refused && error.status === 401) return enter(null);
        setProblem(wordsOf(error));
        timer = window.setTimeout(look, 3000);
      }
    };
    void look();
    return () => clearTimeout(timer);
  }, [enter, queries]);

  const seated = useMemo<Seated | null>(() => {
    if (!session) return null;
    const { organizations } = session;
    const organization = organizations.find(({ _id }) => _id === choice.organization) ?? organizations[0] ?? null;
    seat.organization = organization?._id ?? '';
    seat.environment = choice.environment;
    return {
      session,
      organization,
      environment: choice.environment,
      choose(organizationId, environment) {
        const next = { organization: organizationId, environment };
        localStorage.setItem(CHOICE, JSON.stringify(next));
        queries.clear();
        setChoice(next);
      },
      async renew(next) {
        enter(next ?? (await api.get<CurrentSession>('sessions/current')));
      },
      async signOut() {
        await api.delete('sessions/current');
        queries.clear();
        enter(null);
      },
    };
  }, [session, choice, queries, enter]);

  if (session === undefined) return props.wait(problem);
  if (!seated) return props.signIn(enter);
  // What belongs to one organization and environment never shows in another.
  return (
    <Context value={seated} key={`${seated.organization?._id} ${seated.environment}`}>
      {props.children}
    </Context>
  );
}
