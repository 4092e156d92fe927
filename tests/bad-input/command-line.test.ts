import { type Case, checkBadInput, csv, data, plan, recipe } from './check.ts';

const cases: Case[] = [
  {
    what: 'unknown command',
    args: ['pln', 'recipe.yaml'],
    says: /unknown command 'pln'[\s\S]*Did you mean plan\?/,
    exit: 2,
  },
  {
    what: 'unknown flag',
    args: ['plan', 'recipe.yaml', '--fulll'],
    says: /unknown option '--fulll'[\s\S]*--full/,
    exit: 2,
  },
  { what: 'missing argument', args: ['plan'], says: /missing required argument 'recipe'/, exit: 2 },
  {
    what: 'init over a file',
    files: recipe(),
    args: ['init', 'recipe.yaml', '-t', 'classify', '-d', 'x.csv', '-T', 'trained'],
    says: /recipe\.yaml: the file exists; fix: .*--force/,
    exit: 2,
  },
  {
    what: 'init with an unknown task',
    args: ['init', 'n.yaml', '-t', 'clasify', '-d', 'x.csv', '-T', 'trained'],
    says: /--task: unknown task; seen: "clasify".*did you mean "classify"/,
    exit: 2,
  },
  {
    what: 'init with an unknown teacher',
    args: ['init', 'n.yaml', '-t', 'classify', '-d', 'x.csv', '-T', 'gpt'],
    says: /--teacher: unknown kind of teacher; seen: "gpt"; allowed: trained, none, folder:PATH/,
    exit: 2,
  },
  {
    what: 'init without a terminal',
    args: ['init', 'n.yaml', '-t', 'classify'],
    says: /nothing can be asked; fix: give --data, --teacher/,
    exit: 2,
  },
  {
    what: 'override without a value',
    files: recipe(),
    args: [...plan, '--set', 'train.epochs'],
    says: /--set: expected path=value; seen: "train\.epochs"/,
    exit: 2,
  },
  {
    what: 'override of an unknown path',
    files: recipe(),
    args: [...plan, '--set', 'train.epoch=3'],
    says: /the recipe has no "train\.epoch".*did you mean "epochs"/,
    exit: 2,
  },
  {
    what: 'override of the wrong type',
    files: recipe(),
    args: [...plan, '--set', 'train.epochs=many'],
    says: /--set train\.epochs=many train\.epochs: is text; seen: "many"; allowed: a number/,
    exit: 3,
  },
  {
    what: 'unknown task for data',
    files: { 'a.csv': csv },
    args: data('a.csv', '--task', 'sort'),
    says: /--task: unknown task; seen: "sort"; allowed: classify/,
    exit: 2,
  },
];

checkBadInput('the command line', cases);
