import './changelog.css';
import { Paper } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { createElement, type ReactNode } from 'react';
import { api } from '../api.ts';
import { PageHead } from '../parts/page-head.tsx';
import { Loaded } from '../parts/problem.tsx';

const TAGS = new Set('h2 h3 h4 p ul ol li code pre strong em blockquote'.split(' '));

/** A page's text as ours: known tags without their attributes, links to https alone; of what else there is the text. */
function shown(node: Node, key: number): ReactNode {
  if (node.nodeType === Node.TEXT_NODE) return node.textContent;
  if (!(node instanceof Element)) return null;
  const inside = [...node.childNodes].map(shown);
  const tag = node.tagName.toLowerCase();
  const href = node.getAttribute('href') ?? '';
  if (tag === 'a' && href.startsWith('https://'))
    return (
      <a key={key} href={href} target="_blank" rel="noreferrer">
        {inside}
      </a>
    );
  return TAGS.has(tag) ? createElement(tag, { key }, ...inside) : inside;
}

/** What changed from version to version, as the server's own /changelog says. */
export default function Changelog(): ReactNode {
  const query = useQuery({
    queryKey: ['changelog'],
    queryFn: async () => {
      const page = new DOMParser().parseFromString(await (await api.blob('changelog')).text(), 'text/html');
      for (const part of page.querySelectorAll('nav, h1')) part.remove();
      return [...page.body.childNodes].map(shown);
    },
    // Nothing that happens changes it.
    staleTime: Number.POSITIVE_INFINITY,
    structuralSharing: false,
  });
  return (
    <>
      <PageHead title="Changelog" lead="What changed in this server, newest first." />
      <Loaded query={query}>
        {(text) => (
          <Paper p="lg" className="prose">
            {text}
          </Paper>
        )}
      </Loaded>
    </>
  );
}
