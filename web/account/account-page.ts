import './account.css';
import type { CurrentSession, NewAccessToken } from '../../src/contract/index.ts';
import { base, call, joined, Refused } from './api.ts';

type Field = 'name' | 'email' | 'password';
interface Values {
  readonly name: string;
  readonly email: string;
  readonly password: string;
}

/** One state of the page: what is asked for, and what happens then. */
interface Step {
  readonly title: string;
  readonly lead: string;
  readonly fields: readonly Field[];
  readonly button: string;
  /** The password is one that exists. */
  readonly signingIn?: true;
  readonly other?: { readonly label: string; readonly go: () => Promise<void> | void };
  submit(values: Values): Promise<void>;
}

const find = <T extends HTMLElement>(selector: string): T => document.querySelector<T>(selector)!;
const [title, lead, form, next] = [find('h1'), find('.lead'), find<HTMLFormElement>('form'), find('.next')];
const [error, submit, other] = [
  find('.error'),
  find<HTMLButtonElement>('form .main'),
  find<HTMLButtonElement>('.switch'),
];
const [makeToken, tokenError] = [find<HTMLButtonElement>('.make-token'), find('.token-error')];
const [copy, code] = [find<HTMLButtonElement>('.copy'), find('code')];

/** Behind `#`: browsers send it to nobody. */
const token = location.hash.slice(1);
let step: Step;

function say(heading: string, text: string): void {
  document.title = `${heading} · LiveAPI`;
  title.textContent = heading;
  lead.textContent = text;
}

function show(to: Step): void {
  step = to;
  say(to.title, to.lead);
  for (const label of form.querySelectorAll('label')) label.hidden = !to.fields.includes(label.dataset.field as Field);
  find('.password-hint').hidden = to.signingIn === true;
  find('.password-label').textContent = to.signingIn ? 'Password' : 'New password';
  field('password').autocomplete = to.signingIn ? 'current-password' : 'new-password';
  field('password').value = '';
  submit.textContent = to.button;
  other.hidden = !to.other;
  other.textContent = to.other?.label ?? '';
  error.hidden = true;
  form.hidden = false;
  (to.fields[0] ? field(to.fields[0]) : submit).focus();
}

const field = (name: Field): HTMLInputElement => form.elements.namedItem(name) as HTMLInputElement;

/** What is wrong with what was filled in, before anybody is asked; null when nothing is. */
function complaint({ name, email, password }: Values): { readonly field: Field; readonly message: string } | null {
  const asks = (field: Field) => step.fields.includes(field);
  if (asks('name') && name === '') return { field: 'name', message: 'Say how you want to be called.' };
  if (asks('email') && !/^\S+@\S+$/.test(email))
    return { field: 'email', message: 'Fill in an e-mail address such as ada@example.com.' };
  if (asks('password') && password.length < (step.signingIn ? 1 : 10))
    return {
      field: 'password',
      message: step.signingIn ? 'Fill in your password.' : 'Take a password of 10 characters or more.',
    };
  return null;
}

async function busy(button: HTMLButtonElement, place: HTMLElement, work: () => Promise<void> | void): Promise<void> {
  button.disabled = true;
  place.hidden = true;
  try {
    await work();
  } catch (reason) {
    place.textContent = reason instanceof Error ? reason.message : String(reason);
    place.hidden = false;
  } finally {
    button.disabled = false;
  }
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const values = {
    name: field('name').value.trim(),
    email: field('email').value.trim(),
    password: field('password').value,
  };
  const wrong = complaint(values);
  if (wrong) {
    error.textContent = wrong.message;
    error.hidden = false;
    field(wrong.field).focus();
  } else void busy(submit, error, () => step.submit(values));
});
other.addEventListener('click', () => void busy(other, error, () => step.other!.go()));

/** The end: what to do now, and a line to paste. */
function done(heading: string, text: string, session?: CurrentSession): void {
  // Used up: it need not stay in the browser's history.
  history.replaceState(null, '', location.pathname);
  form.hidden = true;
  next.hidden = false;
  say(heading, text);
  offer('<token id>:<secret>');
  const organization = session && joined(session);
  const mayMake = organization !== undefined && organization.role !== 'member';
  makeToken.hidden = !mayMake;
  find('.next-text').textContent = !session
    ? 'Access tokens go on as before. With one, a live stream is made by:'
    : mayMake
      ? 'Programs use access tokens. With one, a live stream is made by:'
      : 'Ask an admin of the organization for an access token. With one, a live stream is made by:';
  makeToken.onclick = () => busy(makeToken, tokenError, () => make(session!));
  title.tabIndex = -1;
  title.focus();
}

async function make(session: CurrentSession): Promise<void> {
  const made = await call<NewAccessToken>('POST', 'access_tokens', { name: 'My first token' }, session);
  makeToken.hidden = true;
  find('.next-text').textContent =
    'This is your access token, for production. It is shown this once: keep it. A live stream is made by:';
  offer(`${made._id}:${made.secret}`);
}

function offer(credentials: string): void {
  const user = credentials.startsWith('<') ? `'${credentials}'` : credentials;
  code.textContent = `curl -X POST -u ${user} ${base.href}live_streams`;
}

copy.addEventListener('click', async () => {
  try {
    await navigator.clipboard.writeText(code.textContent);
    copy.textContent = 'Copied';
  } catch {
    // Not over plain HTTP: then it is marked, and one key away.
    getSelection()?.selectAllChildren(code);
    copy.textContent = 'Marked: press Ctrl+C';
  }
});

const setup: Step = {
  title: 'Welcome',
  lead: 'Choose how you, the owner of this server, sign in.',
  fields: ['name', 'email', 'password'],
  button: 'Set up',
  async submit(values) {
    const session = await call<CurrentSession>('POST', 'setup', { ...values, setup_token: token });
    done('All set', `You are signed in as ${session.user.email}.`, session);
  },
};

const password: Step = {
  title: 'A new password',
  lead: 'It ends all your sessions, on every device.',
  fields: ['password'],
  button: 'Save the new password',
  async submit({ password }) {
    await call('POST', 'password_resets/accept', { token, password });
    done('Your new password works now', 'You were signed out everywhere.');
  },
};

async function accept(values: object, session?: CurrentSession): Promise<void> {
  const after = await call<CurrentSession>('POST', 'invitations/accept', { ...values, token }, session);
  done(`Welcome to ${joined(after)?.name ?? 'LiveAPI'}`, `You are signed in as ${after.user.email}.`, after);
}

const newcomer: Step = {
  title: 'You are invited',
  lead: 'Choose how you are called and a password. You sign in with the e-mail address that was invited.',
  fields: ['name', 'password'],
  button: 'Accept',
  other: { label: 'I have an account here', go: () => show(signIn) },
  async submit({ name, password }) {
    try {
      await accept({ name, password });
    } catch (reason) {
      if (!(reason instanceof Refused) || reason.status !== 401) throw reason;
      show({ ...signIn, lead: 'The e-mail address that was invited has an account here: sign in with it.' });
    }
  },
};

const signIn: Step = {
  title: 'You are invited',
  lead: 'Sign in to accept.',
  fields: ['email', 'password'],
  button: 'Sign in and accept',
  signingIn: true,
  other: { label: 'I have no account yet', go: () => show(newcomer) },
  async submit({ email, password }) {
    await accept({}, await call<CurrentSession>('POST', 'sessions', { email, password }));
  },
};

async function invitation(): Promise<void> {
  const session = await call<CurrentSession>('GET', 'sessions/current').catch(() => null);
  if (!session) return show(newcomer);
  show({
    title: 'You are invited',
    lead: `You are signed in as ${session.user.email}.`,
    fields: [],
    button: 'Accept',
    submit: () => accept({}, session),
    other: {
      label: 'Use another account',
      async go() {
        await call('DELETE', 'sessions/current', undefined, session);
        show(newcomer);
      },
    },
  });
}

function start(): void {
  if (!/^[0-9a-f]{64}$/.test(token)) {
    say('This link is not whole', 'Open it exactly as it was printed or sent, with all that stands behind the #.');
    return;
  }
  const page = location.pathname.split('/').at(-1);
  if (page === 'setup') show(setup);
  else if (page === 'password') show(password);
  else void invitation();
}

start();
