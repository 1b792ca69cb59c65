/** Folders: nothing outside of them is read, whatever lies in them. */
import assert from "node:assert/strict";
import {cp, mkdtemp, rename, rm, symlink, writeFile} from "node:fs/promises";
import {tmpdir} from "node:os";
import {join} from "node:path";
import {test} from "node:test";
import {fileURLToPath} from "node:url";
import {convertSavedModel} from "../convert-saved-model.ts";
import {openFolder} from "./folder.ts";

const model = fileURLToPath(new URL("../../../../fixtures/saved-model/model", import.meta.url));

for (const part of ["saved_model.pb", "variables", "variables/variables.index"]) {
  test(`a model whose ${part} is a link is refused, with what to do`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "tf-trusted-"));
    try {
      await cp(model, join(folder, "model"), {recursive: true});
      await rename(join(folder, "model", part), join(folder, "elsewhere"));
      await symlink(join(folder, "elsewhere"), join(folder, "model", part));
      await assert.rejects(openFolder(join(folder, "model")), (error: {code: string; message: string}) => {
        assert.equal(error.code, "CONVERT_FILE_MISSING");
        assert.ok(error.message.includes(`${part} in ${join(folder, "model")} is a link`));
        return true;
      });
    } finally {
      await rm(folder, {recursive: true});
    }
  });
}

test("links that are no part of a model are no concern of it, and aren't followed", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tf-trusted-"));
  try {
    await cp(model, join(folder, "model"), {recursive: true});
    await writeFile(join(folder, "notes"), "about the model");
    await symlink(join(folder, "notes"), join(folder, "model/notes"));
    await symlink("/", join(folder, "model/root"));
    const files = await openFolder(join(folder, "model"));
    assert.ok(
      files.paths.every(
        (path) => path === "saved_model.pb" || path === "fingerprint.pb" || path.startsWith("variables/"),
      ),
    );
    assert.equal((await convertSavedModel(files, {signature: "serving_default"})).signature.name, "serving_default");
    await assert.rejects(files.read("../notes", 0, 1), {code: "CONVERT_FILE_MISSING"});
  } finally {
    await rm(folder, {recursive: true});
  }
});
