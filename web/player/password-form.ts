import { type Playback, write } from './shell.ts';

/** Stands in the message of both dresses. */
export const passwordForm = `
      <form class="password" hidden>
        <input type="password" name="password" required maxlength="255" autocomplete="off" aria-label="%passwordField%" placeholder="%passwordField%" />
        <button type="submit">%passwordSend%</button>
        <span class="password-wrong" role="alert"></span>
      </form>`;

/** Wires the form, once; answers what shows it while the stream asks for a password. */
export function mountPasswordForm(root: ShadowRoot, player: Playback): () => void {
  const form = root.querySelector<HTMLFormElement>('.password')!;
  const input = form.querySelector('input')!;
  const button = form.querySelector('button')!;
  // The player's keys are letters of passwords.
  form.addEventListener('keydown', (event) => event.stopPropagation());
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    button.disabled = true;
    write(root, '.password-wrong', '');
    const code = await player.enterPassword(input.value);
    button.disabled = false;
    if (code === null) return;
    write(root, '.password-wrong', code === 'unavailable' ? player.texts.passwordLater : player.texts.passwordWrong);
    input.select();
  });
  return () => {
    form.hidden = player.refusal !== 'password';
    if (form.hidden) input.value = '';
  };
}
