package io.holdfast.interop;

import java.nio.file.Path;
import java.util.List;

import org.eclipse.leshan.core.model.ObjectLoader;
import org.eclipse.leshan.core.model.ObjectModel;

/** The objects that a peer knows: Leshan's own, all versions, and those of a directory of the OMA's XML files. */
final class Models {

    private Models() {
    }

    /** @param directory null for Leshan's own only */
    static List<ObjectModel> load(Path directory) {
        List<ObjectModel> models = ObjectLoader.loadAllDefault();
        if (directory == null)
            return models;
        List<ObjectModel> more = ObjectLoader.loadObjectsFromDir(directory.toFile());
        // Leshan only logs what is wrong with a file or a directory.
        if (more.isEmpty())
            throw new IllegalArgumentException("no object definitions in " + directory);
        models.addAll(more);
        return models;
    }
}
