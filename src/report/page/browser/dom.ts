/** The page's elements. What is looked for is what `html.ts` wrote; a page without it is broken, and says so. */

export function find<Type extends Element>(root: ParentNode, selector: string, type: new () => Type): Type {
  const found = root.querySelector(selector);
  if (found instanceof type) return found;
  throw new Error(`the page has no ${selector}`);
}

export function findAll<Type extends Element>(
  root: ParentNode,
  selector: string,
  type: new () => Type,
): Type[] {
  return [...root.querySelectorAll(selector)].flatMap((found) => (found instanceof type ? [found] : []));
}

/** Makes a list of SVG texts show these, with the nodes that are there as far as they go. */
export function showTexts(
  parent: Element,
  texts: readonly { readonly x: number; readonly text: string; readonly className: string }[],
  y: number,
): void {
  while (parent.children.length > texts.length) parent.lastElementChild?.remove();
  for (const [index, { x, text, className }] of texts.entries()) {
    const node = parent.children[index] ?? parent.appendChild(svgText(y));
    node.setAttribute("x", x.toFixed(1));
    node.setAttribute("class", className);
    if (node.textContent !== text) node.textContent = text;
  }
}

function svgText(y: number): SVGTextElement {
  const node = document.createElementNS("http://www.w3.org/2000/svg", "text");
  node.setAttribute("y", String(y));
  return node;
}

/** Makes the body of a table show these rows, as text; the first cell of a row is its heading. */
export function showRows(body: HTMLTableSectionElement, rows: readonly (readonly string[])[]): void {
  while (body.rows.length > rows.length) body.deleteRow(-1);
  for (const [index, cells] of rows.entries()) {
    const row = body.rows[index] ?? body.insertRow();
    for (const [column, text] of cells.entries()) {
      const cell = row.children[column] ?? row.appendChild(newCell(column));
      if (cell.textContent !== text) cell.textContent = text;
    }
  }
}

function newCell(column: number): HTMLTableCellElement {
  const cell = document.createElement(column === 0 ? "th" : "td");
  if (column === 0) cell.scope = "row";
  return cell;
}
