// The page: a key is asked for, then the views that it opens.

import { chooseLanguage } from "./language.js";
import { showFrame } from "./frame.js";
import { whenEnded } from "./session.js";
import { showSignIn } from "./sign-in.js";

chooseLanguage(navigator.languages);
whenEnded((reason) => showSignIn(showFrame, reason));
showSignIn(showFrame);
