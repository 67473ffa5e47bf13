import type { ReactNode } from 'react';
import { CodeBlock } from './code-line.tsx';

/** JSON to be read: indented where it is JSON, as it is where not. */
export const JsonBlock = ({ label, json }: { readonly label: string; readonly json: unknown }): ReactNode => (
  <CodeBlock label={label} text={typeof json === 'string' ? indented(json) : JSON.stringify(json, null, 2)} />
);

function indented(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
