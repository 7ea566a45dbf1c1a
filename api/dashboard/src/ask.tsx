import { useEffect, useRef, useState, type FormEvent } from "react";
import { Failure } from "./api";

export interface Question {
  title: string;
  text: string;
  button: string;
  danger?: boolean;
  reason: string; // suggested
  act: (reason: string) => Promise<unknown>;
}

// Ask wants a reason before something is changed: it goes into the audit trail. The dialog stays open when the change fails.
export function Ask({ question, close }: { question: Question; close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [reason, setReason] = useState(question.reason);
  const [failure, setFailure] = useState<Failure>();
  const [busy, setBusy] = useState(false);
  useEffect(() => dialog.current?.showModal(), []);
  const submit = (e: FormEvent) => {
    e.preventDefault();
    setBusy(true);
    question.act(reason.trim()).then(close, (f: Failure) => {
      setFailure(f);
      setBusy(false);
    });
  };
  return (
    <dialog ref={dialog} onClose={close} aria-labelledby="ask-title">
      <form onSubmit={submit}>
        <h2 id="ask-title">{question.title}</h2>
        <p>{question.text}</p>
        <label>
          Reason, for the audit trail
          <input value={reason} onChange={(e) => setReason(e.target.value)} maxLength={500} required autoFocus onFocus={(e) => e.target.select()} />
        </label>
        {failure && <p className="error" role="alert">{failure.message}</p>}
        <div className="actions">
          <button type="button" onClick={close}>Cancel</button>
          <button type="submit" className={question.danger ? "danger" : "primary"} disabled={busy || !reason.trim()}>{question.button}</button>
        </div>
      </form>
    </dialog>
  );
}
