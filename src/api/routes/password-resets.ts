import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { PasswordReset, PasswordResetRequest, Success } from '../../contract/index.ts';
import { allowOnly } from '../errors.ts';
import { audit, type PeopleOptions } from '../people.ts';

/** /password_resets: a new password for who has lost the old one, by a link in an e-mail. */
export const passwordResetRoutes: FastifyPluginAsyncTypebox<PeopleOptions> = async (app, options) => {
  const { guesses, mail, addresses } = options;
  const { passwordResets } = options.store;
  const config = { open: true } as const;

  app.post(
    '/password_resets',
    {
      config,
      schema: {
        operationId: 'requestPasswordReset',
        summary: 'Ask for a link by e-mail; the answer is the same whether there is such an account or not',
        body: PasswordResetRequest,
        response: { 200: Success },
      },
    },
    async (request) => {
      const email = request.body.email.trim().toLowerCase();
      // Behind the answer's back, so that its time tells nothing either.
      if (mail && guesses.allowsMail(request, email))
        sendLink(email).catch((error) => app.log.warn({ err: error }, 'api: password link not sent'));
      audit(request, mail ? 'password link asked for' : 'password link asked for, but no smtp_url is set');
      return { success: true };
    },
  );

  app.post(
    '/password_resets/accept',
    {
      config,
      schema: {
        operationId: 'resetPassword',
        summary: 'Choose a new password with the token of the link; ends all sessions',
        body: PasswordReset,
        response: { 200: Success },
      },
    },
    async (request) => {
      const { userId } = await passwordResets.accept(request.body.token, request.body.password);
      audit(request, 'password reset', { user: userId });
      return { success: true };
    },
  );

  async function sendLink(email: string): Promise<void> {
    const reset = await passwordResets.forEmail(email);
    if (!reset) return;
    const text = `Choose a new password here, within half an hour:\n\n${passwordResetUrl(addresses.publicUrl, reset.token)}\n\nIf you did not ask for it, nothing changes.\n`;
    mail?.send({ to: email, subject: 'A new password for LiveAPI', text });
  }

  allowOnly(app, '/password_resets', ['POST'], { config });
  allowOnly(app, '/password_resets/accept', ['POST'], { config });
};

/** The token stands behind `#`, which browsers send to nobody. */
export const passwordResetUrl = (publicUrl: string, token: string): string =>
  `${publicUrl}/dashboard/password#${token}`;
