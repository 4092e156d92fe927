/** What an article calls a thing, and what people call it who look for the article. */
export const things: readonly { readonly formal: string; readonly said: readonly string[] }[] = [
  { formal: 'debit card', said: ['bank card', 'my plastic', 'chip card'] },
  { formal: 'credit line', said: ['overdraft', 'borrowing limit', 'going below zero'] },
  { formal: 'standing order', said: ['monthly payment', 'automatic rent payment', 'repeating transfer'] },
  {
    formal: 'direct debit mandate',
    said: ['gym collecting money', 'company taking money', 'permission to collect'],
  },
  { formal: 'savings plan', said: ['piggy bank', 'rainy day pot', 'putting money aside'] },
  {
    formal: 'instant transfer',
    said: ['sending money right now', 'quick payment to a friend', 'money in seconds'],
  },
  { formal: 'foreign currency purchase', said: ['dollars for my trip', 'holiday cash', 'paying abroad'] },
  { formal: 'cheque deposit', said: ['paper cheque', 'paying in a check', 'old style slip'] },
  {
    formal: 'electronic statement',
    said: ['list of bookings', 'paper for the tax office', 'monthly overview'],
  },
  { formal: 'joint account', said: ['account with my wife', 'shared money', 'account we both use'] },
  { formal: 'youth account', said: ['account for my son', 'pocket money', 'teenager banking'] },
  { formal: 'securities portfolio', said: ['my shares', 'stocks', 'funds I bought'] },
  { formal: 'mortgage loan', said: ['house credit', 'money for our flat', 'home financing'] },
  {
    formal: 'travel insurance',
    said: ['cover for the journey', 'policy for my vacation', 'protection on trips'],
  },
  { formal: 'push notification', said: ['phone messages', 'pop ups', 'buzzing alerts'] },
  {
    formal: 'authentication device',
    said: ['little code machine', 'number generator', 'gadget with the codes'],
  },
  { formal: 'contact details', said: ['where I live', 'my mobile number', 'email I gave you'] },
  {
    formal: 'power of attorney',
    said: ['my daughter acting for me', 'someone else signing', 'letting my brother decide'],
  },
  { formal: 'cash withdrawal', said: ['getting notes', 'money from the wall', 'machine gave nothing'] },
  { formal: 'loyalty programme', said: ['bonus points', 'collecting stars', 'rewards'] },
];

/** What an article is about, its advice, and how people ask for it. */
export const matters: readonly {
  readonly formal: string;
  readonly advice: string;
  readonly said: readonly string[];
}[] = [
  {
    formal: 'applying for it',
    advice: 'Fill in the request and confirm your identity.',
    said: ['how do I get', 'I would like to have', 'where can I order'],
  },
  {
    formal: 'activation',
    advice: 'Enter the letter code once to release it for use.',
    said: ['switch on', 'it arrived what now', 'make ready for the first time'],
  },
  {
    formal: 'cancellation',
    advice: 'Terminate it with one month of notice.',
    said: ['get rid of', 'I do not want any more', 'stop for good'],
  },
  {
    formal: 'temporary blocking',
    advice: 'Suspend it at once and lift the suspension later.',
    said: ['freeze', 'put on hold', 'pause for some weeks'],
  },
  {
    formal: 'loss and theft',
    advice: 'Report the incident immediately and ask for a replacement.',
    said: ['stolen', 'cannot find any more', 'somebody took'],
  },
  {
    formal: 'changing the limit',
    advice: 'Choose the new maximum amount and confirm it.',
    said: ['raise how much', 'allow larger sums', 'lower the ceiling'],
  },
  {
    formal: 'fees and charges',
    advice: 'The schedule of prices lists every amount.',
    said: ['what does it cost', 'why was I billed for', 'is it free'],
  },
  {
    formal: 'refusal and error codes',
    advice: 'Compare the displayed number with the table below.',
    said: ['keeps failing', 'does not work', 'was declined'],
  },
  {
    formal: 'processing times',
    advice: 'Execution takes up to two working days.',
    said: ['how long until', 'still waiting for', 'when will it be done'],
  },
  {
    formal: 'correcting an entry',
    advice: 'Submit an amendment with the right particulars.',
    said: ['typed it wrong', 'fix a mistake in', 'wrong name on'],
  },
  {
    formal: 'disputes and refunds',
    advice: 'Lodge an objection within eight weeks to be reimbursed.',
    said: ['want my money back for', 'did not agree to', 'charged twice for'],
  },
  {
    formal: 'transfer to another holder',
    advice: 'Both parties sign the form of assignment.',
    said: ['give to somebody else', 'hand over', 'put in another name'],
  },
  {
    formal: 'security advice',
    advice: 'Never disclose your credentials to third parties.',
    said: ['is it safe', 'strange call about', 'got a fishy mail about'],
  },
  {
    formal: 'downloading confirmations',
    advice: 'Certificates are kept in the document archive.',
    said: ['proof of', 'print a paper about', 'save a copy of'],
  },
];

/** Where it is done: the article's words, its advice, and people's. */
export const channels: readonly {
  readonly formal: string;
  readonly advice: string;
  readonly said: readonly string[];
}[] = [
  {
    formal: 'mobile application',
    advice: 'Open the menu of the application and choose the item.',
    said: ['on my phone', 'on the mobile', 'with my smartphone'],
  },
  {
    formal: 'online portal',
    advice: 'Sign in to the portal with your user identification.',
    said: ['in the browser', 'on the web', 'from my laptop'],
  },
  {
    formal: 'branch office',
    advice: 'Bring a valid identity document to the office.',
    said: ['at the counter', 'in person', 'face to face'],
  },
];

/** What stands around a question. */
export const chatter: readonly string[] = [
  'hello',
  'please help',
  'hi there',
  'thanks',
  'quick question',
  'sorry to bother you',
  'I am new here',
  'urgent',
];
