// Finds what src/index.ts exports, by the compiler. Only the sources are read, no library and no package: that takes a second
// or two, and is enough to tell what a name stands for. Nothing is checked here.
import { dirname, join, relative } from 'node:path';
import ts from 'typescript';

const OPTIONS = { noLib: true, types: [], target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.NodeNext };

/** Every declaration that docs/api.md may need, by name. */
export class Declarations {
  #root;
  #checker;
  /** Names of the package to what they stand for, in the order of the entry. */
  #exports;
  #files;

  constructor(root, entry) {
    this.#root = root;
    const host = ts.createCompilerHost(OPTIONS);
    host.resolveModuleNameLiterals = (literals, from) =>
      literals.map(({ text }) => ({ resolvedModule: own(text, from) }));
    const path = join(root, entry);
    const program = ts.createProgram([path], OPTIONS, host);
    this.#files = program.getSourceFiles();
    this.#checker = program.getTypeChecker();
    const symbols = this.#checker.getExportsOfModule(this.#checker.getSymbolAtLocation(program.getSourceFile(path)));
    this.#exports = new Map(symbols.map((symbol) => [symbol.name, this.#followed(symbol)]));
  }

  get exportedNames() {
    return [...this.#exports.keys()];
  }

  isExported(name) {
    return this.#exports.has(name);
  }

  /** Of an exported name, or of a type that has this name in one of the files. */
  declarationsOf(name) {
    if (this.isExported(name)) return declared(this.#exports.get(name));
    const all = this.#files.flatMap((file) => file.statements);
    return all.filter(
      (one) => (ts.isInterfaceDeclaration(one) || ts.isTypeAliasDeclaration(one)) && one.name.text === name,
    );
  }

  /** Of the project's own name at this place; nothing for what comes from elsewhere, and for type parameters. */
  declarationsAt(identifier) {
    const symbol = this.#checker.getSymbolAtLocation(identifier);
    const found = symbol === undefined ? [] : declared(this.#followed(symbol));
    return found.some(ts.isTypeParameterDeclaration) ? [] : found;
  }

  /** Where it stands, for messages. */
  place(node) {
    const file = node.getSourceFile();
    const { line } = file.getLineAndCharacterOfPosition(node.getStart());
    return `${relative(this.#root, file.fileName)}:${line + 1}`;
  }

  #followed(symbol) {
    return symbol.flags & ts.SymbolFlags.Alias ? this.#checker.getAliasedSymbol(symbol) : symbol;
  }
}

function declared(symbol) {
  return symbol?.declarations ?? [];
}

function own(text, from) {
  if (!text.startsWith('.')) return undefined;
  return { resolvedFileName: join(dirname(from), text.replace(/\.js$/, '.ts')), extension: ts.Extension.Ts };
}
