// The SQL editor. It lives in a shadow root: there CodeMirror uses constructed style sheets, which
// the content security policy allows without a word about inline styles.

import { closeBrackets, closeBracketsKeymap, autocompletion, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { PostgreSQL, sql } from "@codemirror/lang-sql";
import { HighlightStyle, bracketMatching, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { Compartment, EditorState, Prec, type Transaction } from "@codemirror/state";
import {
  EditorView, drawSelection, highlightActiveLine, keymap, lineNumbers, placeholder,
} from "@codemirror/view";
import { tags } from "@lezer/highlight";
import type { CatalogEntry } from "./model";

export interface Editor {
  text(): string;
  selected(): string;
  insert(text: string): void;
  replace(text: string): void;
  complete(catalog: CatalogEntry[]): void;
  focus(): void;
  close(): void;
}

const look = EditorView.theme({
  "&": { height: "100%", color: "var(--ink)", fontSize: "13px", backgroundColor: "var(--surface)" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.65" },
  ".cm-content": { padding: "12px 0", caretColor: "var(--ink)" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-gutters": { backgroundColor: "var(--surface)", color: "var(--ink-3)", border: "0" },
  ".cm-lineNumbers .cm-gutterElement": { padding: "0 10px 0 16px" },
  ".cm-activeLine": { backgroundColor: "color-mix(in oklab, var(--hover) 60%, transparent)" },
  "&.cm-focused": { outline: "none" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "var(--accent-wash) !important",
  },
  ".cm-matchingBracket": { backgroundColor: "var(--accent-wash) !important", outline: "none" },
  ".cm-placeholder": { color: "var(--ink-3)" },
  ".cm-tooltip": {
    backgroundColor: "var(--raised)", border: "1px solid var(--line-strong)", borderRadius: "7px",
    boxShadow: "var(--shadow)", overflow: "hidden",
  },
  ".cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)", fontSize: "12px" },
  ".cm-tooltip-autocomplete > ul > li": { padding: "3px 10px !important" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": {
    backgroundColor: "var(--accent-wash) !important", color: "var(--accent) !important",
  },
});

const colours = HighlightStyle.define([
  { tag: tags.keyword, color: "var(--accent)", fontWeight: "550" },
  { tag: [tags.string, tags.number, tags.bool, tags.null], color: "var(--good)" },
  { tag: [tags.lineComment, tags.blockComment], color: "var(--ink-3)", fontStyle: "italic" },
  { tag: tags.special(tags.string), color: "var(--ink)" },
]);

// Where typing replaces a selection, Chromium keeps the look of what was there by an inline style,
// which the content security policy forbids; the editor replaces the text itself instead.
const replaceSelection = EditorView.domEventHandlers({
  beforeinput: (event, view) => {
    const { from, to, empty } = view.state.selection.main;
    const text = event.data;
    if (event.inputType !== "insertText" || empty || text === null || view.composing) return false;
    const insert = (): Transaction => view.state.update({
      changes: { from, to, insert: text }, selection: { anchor: from + text.length },
      userEvent: "input.type", scrollIntoView: true,
    });
    const handlers = view.state.facet(EditorView.inputHandler);
    if (!handlers.some((handle) => handle(view, from, to, text, insert))) view.dispatch(insert());
    event.preventDefault();
    return true;
  },
});

/** Opens the editor in a place. */
export function openEditor(
  place: HTMLElement,
  text: string,
  on: { run: () => void; cancel: () => void; change: (text: string) => void },
): Editor {
  const root = place.shadowRoot ?? place.attachShadow({ mode: "open" });
  const language = new Compartment();
  const run = { key: "Mod-Enter", run: () => (on.run(), true) };
  const view = new EditorView({
    parent: root,
    root,
    state: EditorState.create({
      doc: text,
      extensions: [
        Prec.highest(keymap.of([run])),
        lineNumbers(), history(), drawSelection(), indentOnInput(), bracketMatching(),
        closeBrackets(), replaceSelection, autocompletion(), highlightActiveLine(),
        syntaxHighlighting(colours), look, EditorView.lineWrapping,
        placeholder("select …"),
        EditorView.contentAttributes.of({ "aria-label": "SQL" }),
        language.of(sql({ dialect: PostgreSQL })),
        keymap.of([
          ...closeBracketsKeymap, ...completionKeymap, ...defaultKeymap, ...historyKeymap,
          indentWithTab, { key: "Escape", run: () => (on.cancel(), false) },
        ]),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) on.change(update.state.doc.toString());
        }),
      ],
    }),
  });
  const all = (): string => view.state.doc.toString();
  return {
    text: all,
    selected: () => {
      const { from, to } = view.state.selection.main;
      return view.state.sliceDoc(from, to).trim();
    },
    insert: (piece) => {
      view.dispatch(view.state.replaceSelection(piece));
      view.focus();
    },
    replace: (whole) => {
      view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: whole } });
      view.focus();
    },
    complete: (catalog) => {
      const schema = Object.fromEntries(catalog.map((entry) => [entry.table, entry.columns]));
      view.dispatch({ effects: language.reconfigure(sql({ dialect: PostgreSQL, schema })) });
    },
    focus: () => view.focus(),
    close: () => {
      view.destroy();
    },
  };
}
