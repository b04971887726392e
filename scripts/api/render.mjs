// Makes a section of docs/api.md of each declaration. Types stand there as they are written in the sources.
import ts from 'typescript';
import { fenced, fencedMember, typeParameters, typeText } from './code.mjs';
import { commentOf } from './comments.mjs';
import { meaningsOf, queryIn, withoutAs } from './constants.mjs';
import { anchorOf, defaultText, linkedText, linkedType, table } from './text.mjs';

export class Renderer {
  #declarations;
  /** Names of sections to their anchors. */
  #links;
  /** Names that types are made of and that have no section, with their places. */
  unknown = [];
  /** Places without a comment. */
  silent = [];
  #own = '';

  constructor(declarations, names) {
    this.#declarations = declarations;
    this.#links = new Map(names.map((name) => [name, anchorOf(name)]));
  }

  async section(name, node) {
    this.#own = name;
    const title = ts.isFunctionDeclaration(node) ? `${name}()` : name;
    const note = this.#declarations.isExported(name) ? [] : ['Not exported; what is exported is made of it.'];
    return [`### ${title}`, ...note, ...(await this.#body(node))];
  }

  #body(node) {
    if (ts.isFunctionDeclaration(node)) return this.#callable([node], fenced);
    if (ts.isInterfaceDeclaration(node) || ts.isClassDeclaration(node)) return this.#members(node);
    if (ts.isTypeAliasDeclaration(node)) return this.#alias(node);
    return this.#constant(node);
  }

  /** Overloads share the comment of the first. */
  async #callable(nodes, shown) {
    const comment = this.#comment(nodes[0]);
    const signatures = nodes.map((node) => this.#signature(node));
    const points = [
      ...this.#parameters(nodes.at(-1), comment),
      ...this.#returned(nodes[0], comment),
      ...(comment.throws === '' ? [] : [`- Error: ${this.#throws(comment.throws)}`]),
    ];
    return [await shown(signatures.join('\n')), this.#words(comment.text), points.join('\n')];
  }

  #signature(node) {
    const keyword = ts.isFunctionDeclaration(node) ? 'function ' : '';
    const name = ts.isConstructorDeclaration(node) ? 'constructor' : (node.name?.getText() ?? '');
    const parameters = node.parameters.map((parameter) => {
      const isOptional = parameter.questionToken !== undefined || parameter.initializer !== undefined;
      return `${parameter.name.getText()}${isOptional ? '?' : ''}: ${typeText(parameter.type)}`;
    });
    const type = node.type === undefined ? '' : `: ${typeText(node.type)}`;
    return `${keyword}${name}${typeParameters(node)}(${parameters.join(', ')})${type};`;
  }

  /** Those of which there is something to tell besides what the signature shows; of an object that has no type of its own, its members. */
  #parameters(node, { params }) {
    return node.parameters.flatMap(({ name, type, initializer }) => {
      const path = name.getText();
      const members = ts.isTypeLiteralNode(type) ? type.members : [];
      const parts = members.map((member) => this.#parameter(`${path}.${member.name.getText()}`, member.type, params));
      return [
        this.#parameter(path, members.length === 0 ? type : undefined, params, initializer?.getText()),
        ...parts,
      ].flat();
    });
  }

  #parameter(path, type, params, initial = '') {
    const said = params.get(path) ?? { text: '', default: '' };
    const usual = said.default || initial;
    const facts = [];
    if (type !== undefined && this.#leadsSomewhere(type)) facts.push(this.#type(type));
    if (usual !== '') facts.push(`default: ${defaultText(usual)}`);
    if (said.text === '' && facts.length === 0) return [];
    const text = this.#words(said.text)
      .replace(/\s+/g, ' ')
      .replace(/^([^.]*)\.$/, '$1');
    return [`- \`${path}\`${facts.length === 0 ? '' : ` (${facts.join(', ')})`}${text === '' ? '' : `: ${text}`}`];
  }

  #returned({ type }, { returns }) {
    if (type === undefined || (returns === '' && !this.#leadsSomewhere(type))) return [];
    return [`- Returns ${this.#type(type)}${returns === '' ? '' : `: ${this.#words(returns).replace(/\s+/g, ' ')}`}`];
  }

  #throws(text) {
    return this.#words(text.replace(/\s+/g, ' ').replace(/^(SandboxError|StepError)\b/, '`$1`'));
  }

  async #members(node) {
    const { own, bases } = this.#heritage(node);
    const members = own.filter(isPublic);
    const properties = members.filter(isProperty);
    const answer = [this.#words(this.#comment(node).text), ...this.#header(node, bases)];
    if (properties.length > 0) answer.push(this.#properties(properties));
    for (const [name, nodes] of grouped(members.filter((member) => !isProperty(member)))) {
      answer.push(`#### ${this.#methodTitle(nodes[0], name)}`);
      answer.push(...(await this.#callable(nodes, fencedMember)));
    }
    return answer;
  }

  /** The members of bases that have no section of their own are told as one's own. */
  #heritage(node) {
    const own = [...node.members];
    const bases = [];
    for (const base of (node.heritageClauses ?? []).flatMap((clause) => clause.types)) {
      const [found] = this.#declarations.declarationsAt(base.expression);
      if (found === undefined || this.#links.has(base.expression.getText())) bases.push(base);
      else own.unshift(...found.members);
    }
    return { own, bases };
  }

  #header(node, bases) {
    const name = `\`${node.name.text}${typeParameters(node)}\``;
    if (bases.length > 0) return [`${name} extends ${bases.map((base) => this.#type(base)).join(', ')}.`];
    return node.typeParameters === undefined ? [] : [name];
  }

  #properties(properties) {
    const rows = properties.flatMap((property) => this.#row(property, ''));
    const hasDefaults = rows.some(({ usual }) => usual !== '');
    const header = hasDefaults ? ['name', 'type', 'default', 'what it is'] : ['name', 'type', 'what it is'];
    return table(
      header,
      rows.map(({ name, isOptional, type, usual, text }) => {
        const cells = [`\`${name}${isOptional ? '?' : ''}\``, type];
        if (hasDefaults) cells.push(usual || (isOptional ? '' : 'required'));
        return [...cells, text];
      }),
    );
  }

  /** One row, and more for what is documented within. */
  #row(property, prefix) {
    const comment = this.#comment(property);
    const name = `${prefix}${property.name.getText()}`;
    const isOptional = property.questionToken !== undefined;
    const row = { name, isOptional, usual: defaultText(comment.default), text: this.#words(comment.text) };
    const { type } = property;
    if (type !== undefined && ts.isTypeLiteralNode(type) && type.members.some((member) => member.jsDoc !== undefined)) {
      return [{ ...row, type: '`object`' }, ...type.members.flatMap((member) => this.#row(member, `${name}.`))];
    }
    return [{ ...row, type: type === undefined ? `\`${property.initializer.getText()}\`` : this.#type(type) }];
  }

  #methodTitle(node, name) {
    if (ts.isConstructorDeclaration(node)) return `new ${this.#own}()`;
    return ts.isCallSignatureDeclaration(node) ? `Call of ${this.#own}` : `${this.#own}: ${name}()`;
  }

  async #alias(node) {
    const text = this.#words(this.#comment(node).text);
    const name = `${node.name.text}${typeParameters(node)}`;
    // What a conditional type comes to is better said in words.
    if (ts.isConditionalTypeNode(node.type)) return [`\`${name}\``, text];
    const query = queryIn(node.type);
    if (query === undefined || this.#links.has(query.exprName.text)) {
      this.#meet(node.type);
      return [await fenced(`type ${name} = ${node.type.getText()};`), text];
    }
    // The constant that it is made of is shown nowhere else.
    const [{ initializer }] = this.#declarations.declarationsAt(query.exprName);
    const values = withoutAs(initializer);
    if (ts.isObjectLiteralExpression(values)) return [text, this.#meanings(values)];
    return [await fenced(`type ${name} = ${values.elements.map((one) => one.getText()).join(' | ')};`), text];
  }

  async #constant(node) {
    const text = this.#words(this.#comment(node).text);
    const value = withoutAs(node.initializer);
    if (ts.isObjectLiteralExpression(value)) return [text, this.#meanings(value)];
    return [await fenced(`const ${node.name.text} = ${node.initializer.getText()};`), text];
  }

  /** A table when each name has a meaning, else only the names. */
  #meanings(object) {
    const rows = meaningsOf(object).map(([name, meaning]) => [this.#words(`\`${name}\``), meaning]);
    if (rows.some(([, meaning]) => meaning === undefined)) return rows.map(([name]) => name).join(', ');
    return table(
      ['name', 'what it means'],
      rows.map(([name, meaning]) => [name, this.#words(meaning)]),
    );
  }

  #comment(node) {
    const comment = commentOf(node);
    if (comment.text === '') this.silent.push(this.#declarations.place(node));
    return comment;
  }

  #words(text) {
    return linkedText(text, this.#links, this.#own);
  }

  #type(node) {
    this.#meet(node);
    return linkedType(typeText(node), this.#links);
  }

  #leadsSomewhere(type) {
    return this.#type(type).includes('](#');
  }

  /** Notes the names in a type that are the project's own and have no section. */
  #meet(node) {
    if (ts.isIdentifier(node) && !this.#links.has(node.text) && isReference(node)) {
      const found = this.#declarations.declarationsAt(node);
      if (found.length > 0) this.unknown.push(`${node.text} (${this.#declarations.place(node)})`);
    }
    ts.forEachChild(node, (child) => {
      this.#meet(child);
    });
  }
}

function isReference({ parent }) {
  return ts.isTypeReferenceNode(parent) || ts.isExpressionWithTypeArguments(parent) || ts.isTypeQueryNode(parent);
}

function isProperty(member) {
  return ts.isPropertySignature(member) || ts.isPropertyDeclaration(member);
}

/** What has a symbol for its name is told by what the type extends. */
function isPublic({ name }) {
  return name === undefined || !(ts.isPrivateIdentifier(name) || ts.isComputedPropertyName(name));
}

/** Methods by name, in their order. */
function grouped(members) {
  const groups = new Map();
  for (const member of members) {
    const name = ts.isConstructorDeclaration(member) ? 'constructor' : (member.name?.getText() ?? '');
    groups.set(name, [...(groups.get(name) ?? []), member]);
  }
  return groups;
}
